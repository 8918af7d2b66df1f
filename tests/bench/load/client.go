package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Marks the number of a message in its payload; the number of its device follows. It starts with a
// rare byte, since every delivery is searched for it, twice if it is not joined with others.
const mark = `#":`

// A client is one connection that reads as fast as it can.
type client struct {
	watches []int
	conn    net.Conn

	mutex                     sync.Mutex
	seen, repeated, reordered int64
	closed                    bool
	// Number of the last message of each watched device, in the order of watches.
	last      []int64
	latencies histogram
}

func (c *client) reset() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.seen, c.repeated, c.reordered = 0, 0, 0
	c.latencies = histogram{}
}

func (c *client) open() error {
	address, err := url.Parse(strings.ReplaceAll(*target, "{ids}", deviceNames(c.watches)))
	if err != nil {
		return err
	}
	if c.conn, err = net.Dial("tcp", address.Host); err != nil {
		return err
	}
	if address.Scheme == "https" {
		c.conn = tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	wanted, headers := " 200 ", "Accept: text/event-stream\r\n"
	if *transport == "ws" {
		wanted = " 101 "
		headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGVsZWNhc3QtYmVuY2gtMQ==\r\n"
	}
	request := "GET " + address.RequestURI() + " HTTP/1.1\r\nHost: " + address.Host + "\r\n" + headers
	if _, err := io.WriteString(c.conn, request+"\r\n"); err != nil {
		return err
	}
	in := bufio.NewReaderSize(c.conn, 1<<16)
	status, chunked, err := readHead(in)
	if err != nil {
		return err
	}
	if !strings.Contains(status, wanted) {
		return fmt.Errorf("%s answered %s", address, status)
	}
	if chunked {
		in = bufio.NewReaderSize(httputil.NewChunkedReader(in), 1<<16)
	}
	if *until != "" {
		if err := readUntil(in, *until); err != nil {
			return err
		}
	}
	read := c.readFrames
	if *transport == "sse" {
		read = c.readEvents
	}
	go func() {
		read(in)
		c.conn.Close()
		c.mutex.Lock()
		c.closed = true
		c.mutex.Unlock()
	}()
	return nil
}

func readHead(in *bufio.Reader) (status string, chunked bool, err error) {
	for first := true; ; first = false {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", false, err
		}
		line = strings.TrimSpace(line)
		if first {
			status = line
		} else if line == "" {
			return status, chunked, nil
		}
		lower := strings.ToLower(line)
		chunked = chunked || strings.HasPrefix(lower, "transfer-encoding:") && strings.Contains(lower, "chunked")
	}
}

// readUntil reads until the buffer contains text. A full buffer is discarded, except for what could
// be the beginning of text.
func readUntil(in *bufio.Reader, text string) error {
	for wanted := 1; ; wanted = in.Buffered() + 1 {
		if wanted > in.Size() {
			in.Discard(in.Size() - len(text))
			wanted = in.Buffered() + 1
		}
		if _, err := in.Peek(wanted); err != nil {
			return err
		}
		if waiting, _ := in.Peek(in.Buffered()); bytes.Contains(waiting, []byte(text)) {
			return nil
		}
	}
}

func (c *client) readFrames(in *bufio.Reader) error {
	var payload []byte
	for {
		var head [2]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return err
		}
		length := uint64(head[1] & 0x7f)
		if length >= 126 {
			var wide [8]byte
			bytes := wide[6:]
			if length == 127 {
				bytes = wide[:]
			}
			if _, err := io.ReadFull(in, bytes); err != nil {
				return err
			}
			length = binary.BigEndian.Uint64(wide[:])
		}
		if uint64(cap(payload)) < length {
			payload = make([]byte, length)
		}
		payload = payload[:length]
		if _, err := io.ReadFull(in, payload); err != nil {
			return err
		}
		switch head[0] & 0x0f {
		case 8:
			return errors.New("closed by the server")
		case 9:
			pong := append([]byte{0x8a, 0x80 | byte(length), 0, 0, 0, 0}, payload...)
			if _, err := c.conn.Write(pong); err != nil {
				return err
			}
		default:
			c.take(payload)
		}
	}
}

// readEvents processes all lines of one read under one lock: joined events cost little more than
// one, as on the server.
func (c *client) readEvents(in *bufio.Reader) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		c.mutex.Lock()
		now := time.Since(clock.epoch)
		for {
			if bytes.HasPrefix(line, []byte("data:")) {
				c.note(line, now)
			}
			waiting, _ := in.Peek(in.Buffered())
			end := bytes.IndexByte(waiting, '\n')
			if end < 0 {
				break
			}
			line, _ = in.ReadSlice('\n')
		}
		c.mutex.Unlock()
	}
}

// take records every message in text: one, or several if the server joins them.
func (c *client) take(text []byte) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.note(text, time.Since(clock.epoch))
}

func (c *client) note(text []byte, now time.Duration) {
	for {
		at := bytes.Index(text, []byte(mark))
		if at < 0 {
			return
		}
		number, rest := leadingNumber(text[at+len(mark):])
		_, rest, _ = bytes.Cut(rest, []byte(`"device":`))
		device, rest := leadingNumber(rest)
		text = rest
		latency, current := clock.since(number, now)
		place := c.placeOf(device)
		if !current || place >= len(c.last) {
			continue
		}
		switch last := c.last[place]; {
		case number == last:
			c.repeated++
			continue
		case number < last:
			c.reordered++
		default:
			c.last[place] = number
		}
		c.seen++
		c.latencies.note(latency)
	}
}

// placeOf returns the index of a device in watches, which are consecutive; past the end if it is
// not watched.
func (c *client) placeOf(device int64) int {
	if device < 0 || len(c.watches) == 0 {
		return len(c.last)
	}
	return (int(device) - c.watches[0] + *devices) % *devices
}

// leadingNumber skips spaces: some servers reserialize JSON.
func leadingNumber(text []byte) (int64, []byte) {
	text = bytes.TrimLeft(text, " ")
	number, end := int64(0), 0
	for ; end < len(text) && text[end] >= '0' && text[end] <= '9'; end++ {
		number = number*10 + int64(text[end]-'0')
	}
	if end == 0 {
		return -1, text
	}
	return number, text[end:]
}
