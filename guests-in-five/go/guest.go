// Package export_potok_plugin_processor is the Go guest on raw bindings: a filter that forwards by index, or a keyed
// count, as its configuration says; the same as the guests in the other four languages. The bindings generator gives
// the package its name.
package export_potok_plugin_processor

import (
	"encoding/binary"
	"strings"

	"wit_component/potok_plugin_about"
	"wit_component/potok_plugin_logging"
	"wit_component/potok_plugin_processor"
	"wit_component/potok_plugin_records"
	"wit_component/potok_plugin_state"
	"wit_component/potok_plugin_timers"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

type (
	batch   = potok_plugin_records.Batch
	column  = potok_plugin_records.Column
	outcome = potok_plugin_records.Outcome
	refused = potok_plugin_records.Refused
	failure = potok_plugin_records.Failure
	answer  = wit.Result[outcome, failure]
)

const schema = `{"type":"object","properties":{"mode":{"enum":["filter","count"]}},"required":["mode"]}`

// A key's first record sets a timer this much later, in milliseconds.
const firstSeenTimerMs = 60_000

var (
	open   bool
	counts *potok_plugin_state.Store // nil in mode filter
)

func Describe() potok_plugin_about.Description {
	return potok_plugin_about.Description{
		Name:         "five-go",
		Version:      "0.1.0",
		Summary:      "Filters by index, or counts by key, on raw bindings",
		ConfigSchema: schema,
		Inputs:       []potok_plugin_about.Port{{Name: "in", Summary: "Any records"}},
		Outputs: []potok_plugin_about.Port{
			{Name: "kept", Summary: "Records with a value of even length"},
			{Name: "counts", Summary: "Records of each key so far"},
		},
		Stores:       []potok_plugin_about.StoreSpec{{Name: "counts", TtlMs: wit.None[uint64]()}},
		StateVersion: 1,
	}
}

func Open(task potok_plugin_processor.Task) wit.Result[wit.Unit, string] {
	counts = nil
	switch {
	case strings.Contains(task.Config, `"filter"`):
	case strings.Contains(task.Config, `"count"`):
		store := potok_plugin_state.StoreOpen("counts")
		if store.IsErr() {
			return wit.Err[wit.Unit]("no store counts")
		}
		counts = store.Ok()
	default:
		return wit.Err[wit.Unit]("`mode` is neither `filter` nor `count`")
	}
	open = true
	potok_plugin_logging.Log(potok_plugin_logging.LevelInfo, "go guest is open")
	return wit.Ok[wit.Unit, string](wit.Unit{})
}

func Process(records batch) answer {
	switch {
	case !open:
		return broken("process before open")
	case counts == nil:
		return filter(records)
	default:
		return count(records)
	}
}

func OnTimers(due []potok_plugin_timers.Timer) answer {
	var out fresh
	for _, timer := range due {
		out.push(binary.LittleEndian.AppendUint64(nil, uint64(timer.At)), timer.Key, timer.Payload)
	}
	return out.answer(len(due), nil)
}

func Close() { open, counts = false, nil }

func broken(reason string) answer {
	return wit.Err[outcome](potok_plugin_records.MakeFailureBroken(reason))
}

func isNull(c column, index int) bool {
	return index/8 < len(c.Nulls) && c.Nulls[index/8]>>(index%8)&1 == 1
}

func end(c column, index int) uint32 { return binary.LittleEndian.Uint32(c.Ends[4*index:]) }

func filter(records batch) answer {
	n := len(records.Offsets) / 8
	kept := make([]byte, 0, 4*n)
	var refusals []refused
	var start uint32
	for i := range n {
		stop := end(records.Values, i)
		if isNull(records.Values, i) {
			refusals = append(refusals, refused{Index: uint32(i), Reason: "no value"})
		} else if (stop-start)%2 == 0 {
			kept = binary.LittleEndian.AppendUint32(kept, uint32(i))
		}
		start = stop
	}
	result := outcome{Covered: uint32(n), Refused: refusals, Wait: wit.None[string]()}
	if len(kept) > 0 {
		result.Emitted = []potok_plugin_records.Emission{{Output: 0, Body: potok_plugin_records.MakeBodyForward(kept)}}
	}
	return wit.Ok[outcome, failure](result)
}

// Records to be, in columns.
type fresh struct {
	timestamps   []byte
	keys, values column
}

func push(c *column, item []byte) {
	c.Data = append(c.Data, item...)
	c.Ends = binary.LittleEndian.AppendUint32(c.Ends, uint32(len(c.Data)))
}

func (f *fresh) push(timestamp, key, value []byte) {
	f.timestamps = append(f.timestamps, timestamp...)
	push(&f.keys, key)
	push(&f.values, value)
}

func (f *fresh) answer(covered int, refusals []refused) answer {
	result := outcome{Covered: uint32(covered), Refused: refusals, Wait: wit.None[string]()}
	if len(f.timestamps) > 0 {
		body := potok_plugin_records.MakeBodyFresh(potok_plugin_records.FreshRecords{
			Timestamps: f.timestamps, Keys: f.keys, Values: f.values, Headers: wit.None[potok_plugin_records.Headers](),
		})
		result.Emitted = []potok_plugin_records.Emission{{Output: 1, Body: body}}
	}
	return wit.Ok[outcome, failure](result)
}

// What one batch says of one key.
type tally struct {
	key         []byte
	records     uint64
	first, last []byte // timestamps
}

// Each key of the batch, in the order of its first record, and who has none.
func tallies(records batch) (all []tally, refusals []refused) {
	places := make(map[string]int)
	var start uint32
	for i := range len(records.Offsets) / 8 {
		stop := end(records.Keys, i)
		key := records.Keys.Data[start:stop]
		start = stop
		if isNull(records.Keys, i) {
			refusals = append(refusals, refused{Index: uint32(i), Reason: "no key"})
			continue
		}
		timestamp := records.Timestamps[8*i : 8*i+8]
		place, known := places[string(key)]
		if !known {
			place = len(all)
			places[string(key)] = place
			all = append(all, tally{key: key, first: timestamp})
		}
		all[place].records++
		all[place].last = timestamp
	}
	return all, refusals
}

func count(records batch) answer {
	n := len(records.Offsets) / 8
	all, refusals := tallies(records)
	var out fresh
	if len(all) == 0 {
		return out.answer(n, refusals)
	}
	var keys column
	for _, t := range all {
		push(&keys, t.key)
	}
	found := counts.GetMany(keys)
	if found.IsErr() {
		return broken("get-many failed")
	}
	before := found.Ok()
	var start uint32
	for i, t := range all {
		stop := end(before, i)
		var known uint64
		if isNull(before, i) {
			at := int64(binary.LittleEndian.Uint64(t.first)) + firstSeenTimerMs
			potok_plugin_timers.Set(potok_plugin_timers.Timer{
				Clock: potok_plugin_timers.ClockEvent, At: at, Key: t.key, Payload: []byte("first"),
			})
		} else {
			known = binary.LittleEndian.Uint64(before.Data[start:stop])
		}
		start = stop
		out.push(t.last, t.key, binary.LittleEndian.AppendUint64(nil, known+t.records))
	}
	if counts.PutMany(keys, out.values).IsErr() {
		return broken("put-many failed")
	}
	return out.answer(n, refusals)
}
