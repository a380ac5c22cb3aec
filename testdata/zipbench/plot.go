package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"text/template"
)

//go:embed plot.svg.tmpl
var plotTemplate string

// Geometry in pixels: panels side by side and below each other, two a row.
const (
	panelWidth, panelHeight = 520, 360
	plotLeft, plotTop       = 64, 40 // of a panel, to its axes
	plotRight, plotBottom   = 16, 44
	letter, line            = 6.1, 13 // of a label
)

// A panel is one corpus: speed from left to right, by powers of two, and size
// from below upwards, both of `zip -9`.
type panel struct {
	X, Y          int
	Title         string
	XTicks        []tick
	YTicks        []tick
	Points        []point
	Left, Right   int // of the axes
	Top, Bottom   int
	Middle, Label int // where axes are named
}

type tick struct {
	At   float64
	Text string
}

type point struct {
	X, Y   float64
	Class  string
	Label  string
	LX, LY float64 // where the label is
	Anchor string
}

// plot draws full builds without reading back, and splicing.
func (r *Report) plot() []byte {
	var panels []panel
	for _, c := range r.Corpora {
		if zip9 := c.find("zip9"); zip9 != nil {
			p := c.panel(zip9)
			p.X, p.Y = len(panels)%2*panelWidth, len(panels)/2*panelHeight
			panels = append(panels, p)
		}
	}
	var b bytes.Buffer
	t := template.Must(template.New("plot").Parse(plotTemplate))
	if err := t.Execute(&b, map[string]any{"Panels": panels, "Width": 2 * panelWidth, "Height": (len(panels) + 1) / 2 * panelHeight}); err != nil {
		panic(err) // the template is ours, and the buffer takes all
	}
	return b.Bytes()
}

func (c Corpus) panel(zip9 *Result) panel {
	p := panel{
		Title: fmt.Sprintf("%s: %d files, %.0f MB", c.Name, c.Files, float64(c.Bytes)/1e6),
		Left:  plotLeft, Right: panelWidth - plotRight, Top: plotTop, Bottom: panelHeight - plotBottom,
	}
	p.Middle, p.Label = (p.Left+p.Right)/2, (p.Top+p.Bottom)/2
	var shown []Result
	slowest, fastest, least, most := 1.0, 1.0, 1.0, 1.0
	for _, r := range c.Results {
		if r.Verify {
			continue
		}
		shown = append(shown, r)
		speed := zip9.Median.Seconds / r.Median.Seconds
		slowest, fastest = min(slowest, speed), max(fastest, speed)
		size := float64(r.Size) / float64(zip9.Size)
		least, most = min(least, size), max(most, size)
	}
	left, right := math.Floor(math.Log2(slowest)-0.3), math.Ceil(math.Log2(fastest)+0.7)
	x := scale(left, right, float64(p.Left), float64(p.Right))
	step := 0.01
	for (most-least)/step > 7 {
		step *= 2
	}
	low, high := math.Floor(least/step-0.5), math.Ceil(most/step+0.5)
	y := scale(low*step, high*step, float64(p.Bottom), float64(p.Top))
	for e := left; e <= right; e++ {
		p.XTicks = append(p.XTicks, tick{x(e), fmt.Sprintf("%g×", math.Exp2(e))})
	}
	for i := low; i <= high; i++ {
		p.YTicks = append(p.YTicks, tick{y(i * step), fmt.Sprintf("%.2f", i*step)})
	}
	for _, r := range shown {
		class := "peer"
		if r.Workers > 0 {
			class = "ours"
		}
		p.Points = append(p.Points, point{
			X: x(math.Log2(zip9.Median.Seconds / r.Median.Seconds)), Y: y(float64(r.Size) / float64(zip9.Size)),
			Class: class, Label: r.Label,
		})
	}
	p.place()
	return p
}

func scale(from, to, low, high float64) func(float64) float64 {
	return func(v float64) float64 { return low + (v-from)/(to-from)*(high-low) }
}

type box struct{ left, top, right, bottom float64 }

func (a box) meets(b box) bool {
	return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
}

// place puts each label beside its point, where it meets neither a point nor a
// label that is there already, as near as that can be had.
func (p *panel) place() {
	var taken []box
	for _, o := range p.Points {
		taken = append(taken, box{o.X - 5, o.Y - 5, o.X + 5, o.Y + 5})
	}
	for i := range p.Points {
		o := &p.Points[i]
		width := letter * float64(len(o.Label))
		if o.Class == "ours" {
			width *= 1.12 // bold
		}
		for _, at := range places {
			x := o.X + at.dx
			b := box{x, o.Y + at.dy*line - line/2, x + width, o.Y + at.dy*line + line/2}
			switch at.anchor {
			case "middle":
				b.left, b.right = x-width/2, x+width/2
			case "end":
				b.left, b.right = x-width, x
			}
			o.LX, o.LY, o.Anchor = x, o.Y+at.dy*line+4, at.anchor
			if p.free(b, taken) {
				taken = append(taken, b)
				break
			}
		}
	}
}

// places are where a label may be, from its point, the best one first: pixels
// to the right, and lines down.
var places = []struct {
	dx, dy float64
	anchor string
}{
	{8, 0, "start"}, {-8, 0, "end"}, {0, -1, "middle"}, {0, 1, "middle"},
	{6, -0.9, "start"}, {6, 0.9, "start"}, {-6, -0.9, "end"}, {-6, 0.9, "end"},
	{0, -2, "middle"}, {0, 2, "middle"}, {8, -2, "start"}, {-8, 2, "end"}, {-8, -2, "end"}, {8, 2, "start"},
	{0, 3, "middle"}, {0, -3, "middle"}, {8, 3, "start"}, {-8, -3, "end"},
}

func (p *panel) free(b box, taken []box) bool {
	if b.left < float64(p.Left) || b.right > float64(p.Right) || b.top < float64(p.Top) || b.bottom > float64(p.Bottom) {
		return false
	}
	for _, t := range taken {
		if b.meets(t) {
			return false
		}
	}
	return true
}
