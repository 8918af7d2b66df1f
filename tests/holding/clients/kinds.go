package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"time"
)

// A kind is one way to hold a server up.
type kind struct {
	// Runs on one connection and returns its outcome.
	run func(*link) string
	// The client reconnects a second after the server ended the connection.
	comesBack bool
}

// The outcome of a client that finished its routine and starts over at once.
const cycled = "cycled"

const (
	nothing     = "device_ids=none"
	everyDevice = "device_ids=*"
)

// Receive buffer of a client that does not read.
const smallBuffer = 4096

func (l *link) tenDevices() string {
	ids := make([]string, 10)
	for i := range ids {
		ids[i] = fmt.Sprintf("bench-%d", (l.number*10+i)%*devices)
	}
	return "device_ids=" + strings.Join(ids, ",")
}

var kinds = map[string]kind{
	// For comparison: well-behaved clients that get every message.
	"well-behaved": {run: reads},
	// Clients that read nothing.
	"unread-ws":      {run: unread("ws", "")},
	"unread-sse":     {run: unread("sse", "")},
	"unread-answers": {run: unreadAnswers},
	"unread-replay":  {run: unreadReplay},
	// Clients that send nothing, or never finish sending.
	"silent":     {run: sends("", 0)},
	"half-head":  {run: sends("GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nX-More: ", 0)},
	"drip-head":  {run: sends("GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nX-More: ", time.Second)},
	"half-other": {run: sends("GET /livez HTTP/1.1\r\nHost: localhost\r\nX-More: ", 0)},
	"drip-body": {run: sends(
		"POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
			"Content-Length: 1000\r\n\r\n{\"topic\":\"", time.Second)},
	"idle":       {run: idle},
	"half-frame": {run: partOfFrame(0)},
	"drip-frame": {run: partOfFrame(time.Second)},
	// Clients that send a lot.
	"ping-flood":        {run: floods(repeated(frame(9, make([]byte, 125)), 500), false), comesBack: true},
	"ping-flood-read":   {run: floods(repeated(frame(9, make([]byte, 125)), 500), true), comesBack: true},
	"pong-flood":        {run: floods(repeated(frame(10, nil), 5000), true), comesBack: true},
	"commands-unread":   {run: floods(repeated(frame(1, []byte(`{"action":"ping"}`)), 1000), false), comesBack: true},
	"commands-64k":      {run: floods(frame(1, longCommand()), true), comesBack: true},
	"commands-64k-slow": {run: paced(frame(1, longCommand()), 20*time.Millisecond), comesBack: true},
	"fragments":         {run: floods(fragments(), true), comesBack: true},
	"upload":            {run: upload, comesBack: true},
	"upload-stream":     {run: uploadStream, comesBack: true},
	// Clients that ask for a lot.
	"subscribe-500":   {run: subscribes, comesBack: true},
	"old-cursor":      {run: resumes("ws"), comesBack: true},
	"cursor-commands": {run: resumesByCommand, comesBack: true},
	"snapshot":        {run: snapshots, comesBack: true},
	"connect":         {run: connects, comesBack: true},
}

func unread(transport, more string) func(*link) string {
	return func(l *link) string {
		l.plain.SetReadBuffer(smallBuffer)
		query := l.tenDevices()
		if more != "" {
			query = everyDevice + more
		}
		if err := l.open(transport, query); err != nil {
			return ending(err)
		}
		return l.rest()
	}
}

func reads(l *link) string {
	if err := l.open("ws", l.tenDevices()); err != nil {
		return ending(err)
	}
	for {
		if _, _, err := l.next(); err != nil {
			return ending(err)
		}
	}
}

// unreadAnswers makes many requests that are not streams, and reads no answer.
func unreadAnswers(l *link) string {
	l.plain.SetReadBuffer(smallBuffer)
	for i := 0; i < 100; i++ {
		if err := l.request("GET /client.js"); err != nil {
			return ending(err)
		}
	}
	return l.rest()
}

func unreadReplay(l *link) string { return unread("ws", "&since="+*cursor)(l) }

// sends writes a text and, if drip is not 0, one more byte after each drip.
func sends(text string, drip time.Duration) func(*link) string {
	return func(l *link) string {
		if _, err := io.WriteString(l, text); err != nil {
			return ending(err)
		}
		over := l.discard()
		return drips(l, over, drip)
	}
}

func drips(l *link, over <-chan struct{}, every time.Duration) string {
	var tick <-chan time.Time
	if every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-over:
			return "closed"
		case <-stopping:
			return "left"
		case <-tick:
			if _, err := l.Write([]byte("x")); err != nil {
				return ending(err)
			}
		}
	}
}

// idle makes one request, and nothing after the answer.
func idle(l *link) string {
	if err := l.request("GET /livez"); err != nil {
		return ending(err)
	}
	return drips(l, l.discard(), 0)
}

// partOfFrame sends a frame of the maximum length of a command, except for its end.
func partOfFrame(drip time.Duration) func(*link) string {
	return func(l *link) string {
		if err := l.open("ws", nothing); err != nil {
			return ending(err)
		}
		whole := frame(1, longCommand())
		if _, err := l.Write(whole[:len(whole)-1000]); err != nil {
			return ending(err)
		}
		return drips(l, l.discard(), drip)
	}
}

// floods sends the same bytes as fast as the server accepts them.
func floods(what []byte, reading bool) func(*link) string {
	return func(l *link) string {
		if !reading {
			l.plain.SetReadBuffer(smallBuffer)
		}
		if err := l.open("ws", nothing); err != nil {
			return ending(err)
		}
		if reading {
			l.discard()
		}
		for {
			if _, err := l.Write(what); err != nil {
				return ending(err)
			}
		}
	}
}

// paced sends the same bytes at a fixed interval.
func paced(what []byte, every time.Duration) func(*link) string {
	return func(l *link) string {
		if err := l.open("ws", nothing); err != nil {
			return ending(err)
		}
		l.discard()
		for {
			if _, err := l.Write(what); err != nil {
				return ending(err)
			}
			time.Sleep(every)
		}
	}
}

func repeated(what []byte, times int) []byte { return bytes.Repeat(what, times) }

// longCommand returns a command of 64 KiB, most of it spaces.
func longCommand() []byte {
	const length = 65536
	text := []byte(`{"action":"ping"` + strings.Repeat(" ", length))
	return append(text[:length-1], '}')
}

// fragments returns a message of many empty frames.
func fragments() []byte {
	first := frame(1, nil)
	first[0] &= 0x7f
	more := frame(0, nil)
	more[0] &= 0x7f
	whole := append(first, repeated(more, 1000)...)
	return append(whole, frame(0, []byte(`{"action":"ping"}`))...)
}

// upload sends an endless body.
func upload(l *link) string {
	if err := l.request("POST /api/v1/publish", "Content-Type: application/json", "Transfer-Encoding: chunked"); err != nil {
		return ending(err)
	}
	l.discard()
	chunk := []byte(fmt.Sprintf("%x\r\n%s\r\n", 65536, strings.Repeat(" ", 65536)))
	for {
		if _, err := l.Write(chunk); err != nil {
			return ending(err)
		}
	}
}

// uploadStream keeps sending on Server-Sent Events, where a client has nothing to send.
func uploadStream(l *link) string {
	if err := l.open("sse", nothing); err != nil {
		return ending(err)
	}
	l.discard()
	chunk := bytes.Repeat([]byte("x"), 65536)
	for {
		if _, err := l.Write(chunk); err != nil {
			return ending(err)
		}
	}
}

// subscribes asks for 500 ids of 100 characters, and for new ones once that is answered.
func subscribes(l *link) string {
	if err := l.open("ws", nothing); err != nil {
		return ending(err)
	}
	for {
		ids := make([]string, 499)
		for i := range ids {
			ids[i] = fmt.Sprintf(`"%0100d"`, rand.Int63())
		}
		list := strings.Join(ids, ",")
		for _, action := range []string{"subscribe", "unsubscribe"} {
			text := fmt.Sprintf(`{"action":"%s","device_ids":[%s]}`, action, list)
			if _, err := l.Write(frame(1, []byte(text))); err != nil {
				return ending(err)
			}
			if err := l.until(`"subscribed"`); err != nil {
				return ending(err)
			}
			tally.cycles.Add(1)
		}
	}
}

// resumes connects with a cursor, reads everything since, and disconnects.
func resumes(transport string) func(*link) string {
	return func(l *link) string {
		if err := l.open(transport, everyDevice+"&since="+*cursor); err != nil {
			return ending(err)
		}
		if err := l.until(`"event":"resumed"`); err != nil {
			return ending(err)
		}
		return cycled
	}
}

// resumesByCommand repeatedly asks for all messages since a cursor.
func resumesByCommand(l *link) string {
	if err := l.open("ws", nothing); err != nil {
		return ending(err)
	}
	ids := make([]string, *devices)
	for i := range ids {
		ids[i] = fmt.Sprintf(`"bench-%d"`, i)
	}
	list := strings.Join(ids, ",")
	subscribe := frame(1, []byte(fmt.Sprintf(`{"action":"subscribe","device_ids":[%s],"since":"%s"}`, list, *cursor)))
	unsubscribe := frame(1, []byte(fmt.Sprintf(`{"action":"unsubscribe","device_ids":[%s]}`, list)))
	for {
		if _, err := l.Write(append(subscribe, unsubscribe...)); err != nil {
			return ending(err)
		}
		if err := l.until(`"event":"resumed"`); err != nil {
			return ending(err)
		}
		tally.cycles.Add(1)
	}
}

// snapshots reads the last message of every device and disconnects. The ping is answered only after
// the snapshot.
func snapshots(l *link) string {
	if err := l.open("ws", everyDevice+"&snapshot=1"); err != nil {
		return ending(err)
	}
	if _, err := l.Write(frame(1, []byte(`{"action":"ping"}`))); err != nil {
		return ending(err)
	}
	if err := l.until(`"event":"ping"`); err != nil {
		return ending(err)
	}
	return cycled
}

// connects opens a stream and disconnects.
func connects(l *link) string {
	if err := l.open("ws", everyDevice); err != nil {
		return ending(err)
	}
	return cycled
}
