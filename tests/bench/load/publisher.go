package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

// A publisher implements just enough of MQTT 3.1.1.
type publisher struct {
	out    *bufio.Writer
	packet uint16
	turn   int
}

func dialBroker(address string) (*publisher, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	writeText(&body, "MQTT")
	body.Write([]byte{4, 2, 0, 0}) // level 4, clean session, no keep-alive
	writeText(&body, "bench-"+strconv.Itoa(os.Getpid()))
	if _, err := conn.Write(packet(0x10, body.Bytes())); err != nil {
		return nil, err
	}
	ack := make([]byte, 4)
	if _, err := io.ReadFull(conn, ack); err != nil {
		return nil, err
	}
	if ack[3] != 0 {
		return nil, fmt.Errorf("the broker refused the publisher: code %d", ack[3])
	}
	go io.Copy(io.Discard, conn)
	return &publisher{out: bufio.NewWriterSize(conn, 1<<16)}, nil
}

// publish sends at a constant rate and returns how many deliveries to expect. If it falls behind,
// it catches up: the latencies must show a pause of the machine.
func (p *publisher) publish(rate, seconds float64, watchers []int64) (expected int64, err error) {
	start := time.Now()
	total := int(rate * seconds)
	for sent := 0; sent < total; {
		due := int(time.Since(start).Seconds() * rate)
		if due > total {
			due = total
		}
		for ; sent < due; sent++ {
			device := p.turn
			p.turn = (p.turn + 1) % len(watchers)
			p.send(device)
			expected += watchers[device]
		}
		if err := p.out.Flush(); err != nil {
			return expected, err
		}
		time.Sleep(time.Millisecond)
	}
	return expected, nil
}

// blast sends as fast as the broker reads.
func (p *publisher) blast(count int) error {
	for ; count > 0; count-- {
		p.send(p.turn)
		p.turn = (p.turn + 1) % *devices
	}
	return p.out.Flush()
}

func (p *publisher) send(device int) {
	name := deviceName(device)
	number := clock.leave()
	text := fmt.Sprintf(
		`{"data":{"DEVICE_ID":"%s","LATITUD":"+20.652472","LONGITUD":"-100.391404","SPEED":"42.00",`+
			`"SATELLITES":"9"},"decoded":{},"metadata":{"%s%d,"device":%d},"uuid":"%d-%d","raw":"`,
		name, mark, number, device, os.Getpid(), number)
	body := bytes.NewBuffer(make([]byte, 0, *size+64))
	writeText(body, "bench/"+name)
	if *qos > 0 {
		if p.packet++; p.packet == 0 {
			p.packet = 1
		}
		binary.Write(body, binary.BigEndian, p.packet)
	}
	body.WriteString(text)
	for fill := len(text) + 2; fill < *size; fill++ {
		body.WriteByte('0')
	}
	body.WriteString(`"}`)
	p.out.Write(packet(0x30|byte(*qos)<<1, body.Bytes()))
}

func packet(kind byte, body []byte) []byte {
	head := append([]byte{kind}, binary.AppendUvarint(nil, uint64(len(body)))...)
	return append(head, body...)
}

func writeText(to *bytes.Buffer, text string) {
	binary.Write(to, binary.BigEndian, uint16(len(text)))
	to.WriteString(text)
}
