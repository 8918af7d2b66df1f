// Command load runs the bench's devices and clients in one process, so that one clock measures when
// a message is sent and received. It connects the given number of clients, publishes over MQTT at a
// constant rate, and checks every delivery.
//
// It takes one JSON command a line on its standard input and answers each with one line:
//
//	{"rate": 1000, "seconds": 2, "drainSeconds": 3}
//	{"count": 100000}
//
// The second publishes as fast as the broker accepts messages, and is answered once all are sent.
//
// The connections stay open between commands; the end of the input ends the program.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

var (
	transport = flag.String("transport", "ws", "ws or sse")
	target    = flag.String("url", "", "http://host:port/path?device_ids={ids}")
	clients   = flag.Int("clients", 1, "number of connections")
	devices   = flag.Int("devices", 1, "number of devices to publish for, in turn")
	each      = flag.Int("each", 1, "number of devices each client asks for")
	broker    = flag.String("broker", "127.0.0.1:1883", "MQTT broker")
	qos       = flag.Int("qos", 0, "QoS of the published messages: 0 or 1")
	size      = flag.Int("bytes", 300, "payload length")
	watched   = flag.String("watch", "bench", "prefix of the device names that clients ask for")
	until     = flag.String("until", "", "a client is connected once it has received this text")
)

type command struct {
	Count        int     `json:"count"`
	Rate         float64 `json:"rate"`
	Seconds      float64 `json:"seconds"`
	DrainSeconds float64 `json:"drainSeconds"`
}

// Answer of one step. Latencies are in milliseconds.
type answer struct {
	Sent      int64   `json:"sent"`
	Expected  int64   `json:"expected"`
	Received  int64   `json:"received"`
	Lost      int64   `json:"lost"`
	Repeated  int64   `json:"repeated"`
	Reordered int64   `json:"reordered"`
	Closed    int     `json:"closed"`
	PerSecond float64 `json:"perSecond"`
	Achieved  float64 `json:"achieved"`
	P50       float64 `json:"p50"`
	P90       float64 `json:"p90"`
	P99       float64 `json:"p99"`
	Max       float64 `json:"max"`
}

func main() {
	flag.Parse()
	start := time.Now()
	audience, err := openAll()
	if err != nil {
		fail(err)
	}
	opened := time.Since(start)
	publisher, err := dialBroker(*broker)
	if err != nil {
		fail(err)
	}
	fmt.Printf("{\"openSeconds\":%f}\n", opened.Seconds())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var step command
		if err := json.Unmarshal(lines.Bytes(), &step); err != nil {
			fail(err)
		}
		result, err := run(step, audience, publisher)
		if err != nil {
			fail(err)
		}
		line, _ := json.Marshal(result)
		fmt.Println(string(line))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}

func openAll() ([]*client, error) {
	const atOnce = 32
	audience := make([]*client, *clients)
	problems := make(chan error, *clients)
	turns := make(chan struct{}, atOnce)
	var opening sync.WaitGroup
	for i := range audience {
		c := &client{last: make([]int64, *each)}
		for place := range c.last {
			c.last[place] = -1
		}
		for j := 0; j < *each; j++ {
			c.watches = append(c.watches, (i**each+j)%*devices)
		}
		audience[i] = c
		opening.Add(1)
		turns <- struct{}{}
		go func() {
			defer opening.Done()
			if err := c.open(); err != nil {
				problems <- err
			}
			<-turns
		}()
	}
	opening.Wait()
	select {
	case err := <-problems:
		return nil, err
	default:
		return audience, nil
	}
}

func run(step command, audience []*client, publisher *publisher) (answer, error) {
	watchers := make([]int64, *devices)
	for _, c := range audience {
		c.reset()
		for _, device := range c.watches {
			watchers[device]++
		}
	}
	first := clock.begin()
	start := time.Now()
	if step.Count > 0 {
		return answer{Sent: int64(step.Count)}, publisher.blast(step.Count)
	}
	expected, err := publisher.publish(step.Rate, step.Seconds, watchers)
	if err != nil {
		return answer{}, err
	}
	spent := time.Since(start)
	during := received(audience)
	deadline := time.Now().Add(time.Duration(step.DrainSeconds * float64(time.Second)))
	for received(audience) < expected && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	sent := clock.published() - first
	result := answer{
		Sent:      sent,
		Expected:  expected,
		PerSecond: float64(during) / spent.Seconds(),
		Achieved:  float64(sent) / spent.Seconds(),
	}
	var latencies histogram
	for _, c := range audience {
		c.mutex.Lock()
		result.Received += c.seen
		result.Repeated += c.repeated
		result.Reordered += c.reordered
		latencies.add(&c.latencies)
		if c.closed {
			result.Closed++
		}
		c.mutex.Unlock()
	}
	result.Lost = result.Expected - result.Received
	result.P50, result.P90 = latencies.quantile(0.5), latencies.quantile(0.9)
	result.P99, result.Max = latencies.quantile(0.99), latencies.quantile(1)
	return result, nil
}

func received(audience []*client) (sum int64) {
	for _, c := range audience {
		c.mutex.Lock()
		sum += c.seen
		c.mutex.Unlock()
	}
	return sum
}

// deviceNames joins the ids of devices for a query.
func deviceNames(numbers []int) string {
	names := make([]string, len(numbers))
	for i, number := range numbers {
		names[i] = fmt.Sprintf("%s-%d", *watched, number)
	}
	return strings.Join(names, ",")
}

func deviceName(number int) string { return fmt.Sprintf("bench-%d", number) }
