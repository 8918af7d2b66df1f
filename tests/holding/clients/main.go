// Command clients opens many connections of one kind that hold up the server, and reports their
// outcomes.
//
// Its standard input takes one JSON command, which it answers with one line; at the end of the
// input it closes all connections and exits:
//
//	{"seconds": 60}
//
// Clients of some kinds reconnect a second after they were closed.
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

var (
	kindName = flag.String("kind", "", "kind of the clients")
	address  = flag.String("address", "127.0.0.1:8000", "host:port of the server")
	count    = flag.Int("clients", 1, "number of connections")
	secure   = flag.Bool("tls", false, "connect with TLS")
	cursor   = flag.String("cursor", "", "an old cursor, for kinds that resume")
	devices  = flag.Int("devices", 100, "number of published devices, from bench-0 on")
)

const (
	openAtOnce = 64
	comeBack   = time.Second
)

type command struct {
	Seconds float64 `json:"seconds"`
}

// Answer of a run. Lifetimes are in seconds, of connections that the server ended.
type answer struct {
	Opened   int64            `json:"opened"`
	Ended    int              `json:"ended"`
	Open     int64            `json:"open"`
	Median   float64          `json:"median"`
	Longest  float64          `json:"longest"`
	Cycles   int64            `json:"cycles"`
	Sent     int64            `json:"sent"`
	Received int64            `json:"received"`
	Outcomes map[string]int64 `json:"outcomes"`
}

// Totals of all clients.
var tally struct {
	opened, open, cycles, sent, received atomic.Int64

	mutex     sync.Mutex
	lifetimes []float64
	outcomes  map[string]int64
}

var stopping = make(chan struct{})

func main() {
	flag.Parse()
	chosen, known := kinds[*kindName]
	if !known {
		fmt.Fprintln(os.Stderr, "clients: unknown kind:", *kindName)
		os.Exit(2)
	}
	tally.outcomes = map[string]int64{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var step command
		if err := json.Unmarshal(lines.Bytes(), &step); err != nil {
			fmt.Fprintln(os.Stderr, "clients:", err)
			os.Exit(1)
		}
		turns := make(chan struct{}, openAtOnce)
		for i := 0; i < *count; i++ {
			go live(i, chosen, turns)
		}
		time.Sleep(time.Duration(step.Seconds * float64(time.Second)))
		line, _ := json.Marshal(report())
		fmt.Println(string(line))
	}
	close(stopping)
}

// live runs one client: it connects, runs its kind, and reconnects if its kind does.
func live(number int, chosen kind, turns chan struct{}) {
	for {
		turns <- struct{}{}
		link, err := dial(number)
		<-turns
		if err != nil {
			note("not connected", 0)
		} else {
			tally.opened.Add(1)
			tally.open.Add(1)
			start := time.Now()
			outcome := chosen.run(link)
			tally.open.Add(-1)
			link.Close()
			note(outcome, time.Since(start).Seconds())
			if outcome == cycled {
				continue
			}
		}
		if !chosen.comesBack {
			return
		}
		time.Sleep(comeBack)
	}
}

func note(outcome string, seconds float64) {
	tally.mutex.Lock()
	defer tally.mutex.Unlock()
	if outcome == cycled {
		tally.cycles.Add(1)
		return
	}
	tally.outcomes[outcome]++
	if seconds > 0 {
		tally.lifetimes = append(tally.lifetimes, seconds)
	}
}

func report() answer {
	tally.mutex.Lock()
	defer tally.mutex.Unlock()
	found := answer{
		Opened:   tally.opened.Load(),
		Ended:    len(tally.lifetimes),
		Open:     tally.open.Load(),
		Cycles:   tally.cycles.Load(),
		Sent:     tally.sent.Load(),
		Received: tally.received.Load(),
		Outcomes: tally.outcomes,
	}
	if found.Ended > 0 {
		sort.Float64s(tally.lifetimes)
		found.Median = tally.lifetimes[found.Ended/2]
		found.Longest = tally.lifetimes[found.Ended-1]
	}
	return found
}

// Keyed by whether the kind uses HTTP/2.
var trusting = map[bool]*tls.Config{
	false: {InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}},
	true:  {InsecureSkipVerify: true, NextProtos: []string{"h2"}},
}
