package main

import (
	"math"
	"time"
)

// The bits of a float64 approximate its logarithm: the exponent and the first five bits of the
// mantissa make buckets that are 3 % wide at every magnitude.
const (
	shift   = 52 - 5
	buckets = 64 * 32
)

var lowest = math.Float64bits(1) >> shift

type histogram [buckets]int64

func (h *histogram) note(latency time.Duration) {
	index := 0
	if latency > 0 {
		index = int(math.Float64bits(float64(latency))>>shift - lowest)
	}
	h[index]++
}

func (h *histogram) add(other *histogram) {
	for i, count := range other {
		h[i] += count
	}
}

// quantile returns the upper end of the quantile's bucket, in milliseconds.
func (h *histogram) quantile(q float64) float64 {
	var total, sum int64
	for _, count := range h {
		total += count
	}
	if total == 0 {
		return 0
	}
	rank := int64(math.Ceil(q * float64(total)))
	for i, count := range h {
		if sum += count; sum >= rank {
			end := math.Float64frombits((uint64(i) + lowest + 1) << shift)
			return math.Round(end/1e3) / 1e3
		}
	}
	return math.Inf(1)
}
