package main

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// A link is one connection to the server.
type link struct {
	net.Conn
	number int
	plain  *net.TCPConn
	in     *bufio.Reader
}

// dial connects from the client's own address, so that ports do not run out when many reconnect,
// and so that a limit by address does not count them all as one client.
func dial(number int) (*link, error) {
	dialer := net.Dialer{
		Timeout:   20 * time.Second,
		LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(number/250), byte(1+number%250))},
	}
	conn, err := dialer.Dial("tcp", *address)
	if err != nil {
		return nil, err
	}
	found := &link{Conn: conn, number: number, plain: conn.(*net.TCPConn)}
	if *secure {
		found.Conn = tls.Client(conn, trusting[strings.HasPrefix(*kindName, "h2-")])
	}
	found.in = bufio.NewReaderSize(found, 4096)
	return found, nil
}

func (l *link) Read(into []byte) (int, error) {
	n, err := l.Conn.Read(into)
	tally.received.Add(int64(n))
	return n, err
}

func (l *link) Write(bytes []byte) (int, error) {
	n, err := l.Conn.Write(bytes)
	tally.sent.Add(int64(n))
	return n, err
}

// request sends the head of a request; lines are additional headers.
func (l *link) request(first string, lines ...string) error {
	head := first + " HTTP/1.1\r\nHost: " + *address + "\r\n"
	for _, line := range lines {
		head += line + "\r\n"
	}
	_, err := io.WriteString(l, head+"\r\n")
	return err
}

// open asks for a stream and reads the head of the answer.
func (l *link) open(transport, query string) error {
	var lines []string
	if transport == "ws" {
		lines = []string{
			"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
			"Sec-WebSocket-Key: dGVsZWNhc3QgaXMgaGVyZQ==",
		}
	}
	if err := l.request("GET /api/v1/stream?"+query, lines...); err != nil {
		return err
	}
	status, err := l.head()
	if err != nil {
		return err
	}
	if !strings.Contains(status, " 101 ") && !strings.Contains(status, " 200 ") {
		return fmt.Errorf("refused: %.12s", status)
	}
	return nil
}

// head reads the head of an answer and returns its first line.
func (l *link) head() (string, error) {
	status := ""
	for {
		line, err := l.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line = strings.TrimSpace(line); line == "" {
			return status, nil
		}
		if status == "" {
			status = line
		}
	}
}

// discard reads until the server ends the connection, in the background.
func (l *link) discard() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		io.Copy(io.Discard, l.in)
		close(done)
	}()
	return done
}

// next reads one WebSocket frame and answers a PING.
func (l *link) next() (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err = io.ReadFull(l.in, head[:]); err != nil {
		return 0, nil, err
	}
	length := uint64(head[1] & 0x7f)
	if length >= 126 {
		var wide [8]byte
		bytes := wide[6:]
		if length == 127 {
			bytes = wide[:]
		}
		if _, err = io.ReadFull(l.in, bytes); err != nil {
			return 0, nil, err
		}
		length = binary.BigEndian.Uint64(wide[:])
	}
	payload = make([]byte, length)
	if _, err = io.ReadFull(l.in, payload); err != nil {
		return 0, nil, err
	}
	opcode = head[0] & 0x0f
	switch opcode {
	case 8:
		code := 1005
		if len(payload) >= 2 {
			code = int(binary.BigEndian.Uint16(payload))
		}
		return opcode, payload, fmt.Errorf("closed with %d", code)
	case 9:
		_, err = l.Write(frame(10, payload))
	}
	return opcode, payload, err
}

// until reads frames until one holds text.
func (l *link) until(text string) error {
	for {
		_, payload, err := l.next()
		if err != nil {
			return err
		}
		if strings.Contains(string(payload), text) {
			return nil
		}
	}
}

// frame returns a client's frame, masked with zeros.
func frame(opcode byte, payload []byte) []byte {
	head := []byte{0x80 | opcode}
	switch length := len(payload); {
	case length < 126:
		head = append(head, 0x80|byte(length))
	case length < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(length))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(length))
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}

// The first byte of Linux's tcp_info is the state; in these states the peer has closed.
const (
	closeState     = 7
	closeWaitState = 8
)

// ended reports whether the server ended the connection, without reading from it.
func (l *link) ended() bool {
	raw, err := l.plain.SyscallConn()
	if err != nil {
		return true
	}
	state := byte(closeState)
	raw.Control(func(fd uintptr) {
		var info [192]byte
		length := uint32(len(info))
		_, _, failed := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
		if failed == 0 {
			state = info[0]
		}
	})
	return state == closeState || state == closeWaitState
}

// rest waits until the server ends the connection, without reading.
func (l *link) rest() string {
	for !l.ended() {
		select {
		case <-stopping:
			return "left"
		case <-time.After(500 * time.Millisecond):
		}
	}
	return "closed"
}

// ending returns the outcome for an error.
func ending(err error) string {
	if err == nil {
		return "left"
	}
	text := err.Error()
	if strings.HasPrefix(text, "closed with") || strings.HasPrefix(text, "refused") {
		return text
	}
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return "reset"
	}
	return "closed"
}
