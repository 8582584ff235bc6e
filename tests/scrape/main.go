// SPDX-License-Identifier: MIT

// scrape BASE-URL - asks a server for heap profiles as the scrapers of Parca and of
// Pyroscope (Grafana Alloy) do, reads them with the library that both use, and
// checks what they require before they store one:
//
//   - Parca: pkg/scrape (a non-empty answer with status 200, profile.ParseData),
//     pkg/normalizer/validate.go (ids count up from 1 in the order of their tables)
//   - Alloy: internal/component/pyroscope/scrape; Pyroscope: pkg/validation (limits)
//   - protocol buffers: strings are UTF-8
//
// Both ask for /debug/pprof/allocs unless told otherwise. Prints the sums of the last
// profile, "TYPE/UNIT SUM" per line, and fails with a message for what is wrong.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/google/pprof/profile"
)

// Pyroscope's default limits (max_profile_stacktrace_samples and others).
const (
	samplesMax = 16000
	labelsMax  = 100
	depthMax   = 1000
	bytesMax   = 4 << 20
)

var types = []string{
	"alloc_objects/count", "alloc_space/bytes", "inuse_objects/count", "inuse_space/bytes",
}

type scraper struct {
	name, path, initial string
	header              map[string]string
}

// The transport asks for gzip by itself unless the header says something else.
var scrapers = []scraper{
	{"Parca", "/debug/pprof/allocs", "alloc_space", map[string]string{"User-Agent": "conprof/0.24.0"}},
	{"Parca, path set", "/debug/pprof/heap", "inuse_space",
		map[string]string{"User-Agent": "conprof/0.24.0"}},
	{"Alloy", "/debug/pprof/allocs", "alloc_space",
		map[string]string{"User-Agent": "Alloy/v1.11.0 (linux; deb; binary)"}},
	{"Alloy, delta", "/debug/pprof/heap?seconds=14", "inuse_space",
		map[string]string{"User-Agent": "Alloy/v1.11.0 (linux; deb; binary)"}},
	{"gzip by hand", "/debug/pprof/heap", "inuse_space",
		map[string]string{"Accept-Encoding": "gzip"}},
	{"no encoding", "/debug/pprof/heap", "inuse_space",
		map[string]string{"Accept-Encoding": "identity"}},
}

func fetch(base string, s scraper) ([]byte, error) {
	req, err := http.NewRequest("GET", base+s.path, nil)
	if err != nil {
		return nil, err
	}
	for name, value := range s.header {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" {
		return nil, fmt.Errorf("encoded twice: %s", encoding)
	}
	data, err := io.ReadAll(resp.Body)
	if err == nil && len(data) == 0 {
		err = fmt.Errorf("empty profile")
	}
	if err == nil && len(data) > bytesMax {
		err = fmt.Errorf("%d bytes", len(data))
	}
	return data, err
}

func checkIDs(p *profile.Profile) error {
	for i, m := range p.Mapping {
		if m.ID != uint64(i+1) {
			return fmt.Errorf("mapping %d has id %d", i+1, m.ID)
		}
	}
	for i, f := range p.Function {
		if f.ID != uint64(i+1) {
			return fmt.Errorf("function %d has id %d", i+1, f.ID)
		}
	}
	for i, l := range p.Location {
		if l.ID != uint64(i+1) {
			return fmt.Errorf("location %d has id %d", i+1, l.ID)
		}
	}
	return nil
}

func checkStrings(p *profile.Profile) error {
	var all []string
	for _, m := range p.Mapping {
		all = append(all, m.File, m.BuildID)
	}
	for _, f := range p.Function {
		all = append(all, f.Name, f.SystemName, f.Filename)
	}
	for _, s := range p.Sample {
		for key, values := range s.Label {
			all = append(append(all, key), values...)
		}
	}
	for _, s := range all {
		if !utf8.ValidString(s) {
			return fmt.Errorf("no UTF-8: %q", s)
		}
	}
	return nil
}

func checkTypes(p *profile.Profile, initial string) error {
	var got []string
	for _, t := range p.SampleType {
		got = append(got, t.Type+"/"+t.Unit)
	}
	if strings.Join(got, " ") != strings.Join(types, " ") {
		return fmt.Errorf("sample types %v", got)
	}
	if p.PeriodType == nil || p.PeriodType.Type != "space" || p.PeriodType.Unit != "bytes" ||
		p.Period < 1 {
		return fmt.Errorf("period %v %d", p.PeriodType, p.Period)
	}
	if p.DefaultSampleType != initial {
		return fmt.Errorf("default sample type %s", p.DefaultSampleType)
	}
	if p.TimeNanos <= 0 || p.DurationNanos <= 0 {
		return fmt.Errorf("time %d, duration %d", p.TimeNanos, p.DurationNanos)
	}
	return nil
}

func checkSamples(p *profile.Profile) error {
	if len(p.Sample) == 0 || len(p.Sample) > samplesMax {
		return fmt.Errorf("%d samples", len(p.Sample))
	}
	for _, s := range p.Sample {
		if len(s.Location) == 0 || len(s.Location) > depthMax {
			return fmt.Errorf("%d locations", len(s.Location))
		}
		if len(s.Label)+len(s.NumLabel) > labelsMax {
			return fmt.Errorf("%d labels", len(s.Label)+len(s.NumLabel))
		}
		for i, value := range s.Value {
			if value < 0 {
				return fmt.Errorf("%s is %d", types[i], value)
			}
		}
	}
	return nil
}

// What Parca does with keep_sample_type: other values go, and the rest is written again.
func keepOne(p *profile.Profile) error {
	kept := p.Copy()
	kept.SampleType = kept.SampleType[3:]
	for _, s := range kept.Sample {
		s.Value = s.Value[3:]
	}
	var buf bytes.Buffer
	if err := kept.Compact().Write(&buf); err != nil {
		return err
	}
	_, err := profile.ParseData(buf.Bytes())
	return err
}

func scrape(base string, s scraper) (*profile.Profile, error) {
	data, err := fetch(base, s)
	if err != nil {
		return nil, err
	}
	p, err := profile.ParseData(data)
	if err != nil {
		return nil, err
	}
	for _, check := range []func() error{
		p.CheckValid,
		func() error { return checkIDs(p) },
		func() error { return checkStrings(p) },
		func() error { return checkTypes(p, s.initial) },
		func() error { return checkSamples(p) },
		func() error { return keepOne(p) },
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func main() {
	var sums [4]int64
	for _, s := range scrapers {
		p, err := scrape(os.Args[1], s)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %s: %v\n", s.name, s.path, err)
			os.Exit(1)
		}
		before := sums
		sums = [4]int64{}
		for _, sample := range p.Sample {
			for i, value := range sample.Value {
				sums[i] += value
			}
		}
		// From these Alloy computes what was allocated between two scrapes.
		if sums[0] < before[0] || sums[1] < before[1] {
			fmt.Fprintf(os.Stderr, "%s: counters went back: %v %v\n", s.name, before, sums)
			os.Exit(1)
		}
	}
	for i, t := range types {
		fmt.Println(t, sums[i])
	}
}
