package main

import (
	"sync/atomic"
	"time"
)

// Messages are numbered across the whole run. Their send times are kept in a ring that is far
// longer than the number of messages in flight.
const ringBits = 22

type sendClock struct {
	epoch time.Time
	next  atomic.Int64
	// Number of the first message of the step: earlier ones that still arrive do not count.
	first atomic.Int64
	left  [1 << ringBits]atomic.Int64
}

var clock = sendClock{epoch: time.Now()}

func (c *sendClock) begin() int64 {
	first := c.next.Load()
	c.first.Store(first)
	return first
}

func (c *sendClock) published() int64 { return c.next.Load() }

// leave gives a message its number and records the send time.
func (c *sendClock) leave() int64 {
	number := c.next.Load()
	c.left[number&(1<<ringBits-1)].Store(int64(time.Since(c.epoch)))
	c.next.Store(number + 1)
	return number
}

// since returns how long a message has been in flight; false if it is not from this step.
func (c *sendClock) since(number int64, now time.Duration) (time.Duration, bool) {
	if number < c.first.Load() || number >= c.next.Load() {
		return 0, false
	}
	return now - time.Duration(c.left[number&(1<<ringBits-1)].Load()), true
}
