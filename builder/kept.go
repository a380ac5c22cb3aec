package builder

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/layerbuild/layerbuild/cache"
)

// CachedLayer is a layer that a cache has, with the names by which builds on
// this machine have delivered it.
type CachedLayer struct {
	Key      string         `json:"key"`
	Layers   []string       `json:"layers"` // none: it was delivered nowhere yet, or long ago
	Runtimes []string       `json:"runtimes"`
	Arches   []string       `json:"architectures"`
	Packages int            `json:"packages"`
	Zip      int64          `json:"size"`         // bytes of the archive
	Unzipped int64          `json:"unzippedSize"` // bytes
	Bytes    int64          `json:"bytes"`        // of all blobs, some of which others may share
	Used     cache.JSONTime `json:"used"`
}

// CachedLayers lists the layers of a cache, the last used first. None of them
// counts as used by that.
func CachedLayers(ctx context.Context, c *cache.Cache) ([]CachedLayer, error) {
	names := deliveredNames(ctx, c)
	all := []CachedLayer{}
	for e, err := range c.Entries(ctx) {
		if err != nil {
			return nil, err
		}
		var facts entryFacts
		if _, ok := e.Blobs[roleArchive]; !ok || json.Unmarshal(e.Data, &facts) != nil {
			continue // a part, or of another program
		}
		l := CachedLayer{
			Key: e.Key.String(), Packages: facts.Packages, Zip: e.Blobs[roleArchive].Size, Unzipped: facts.UnzippedSize,
			Bytes: e.Bytes, Used: cache.JSONTime{Time: e.Used}, Layers: []string{}, Runtimes: []string{}, Arches: []string{},
		}
		for _, d := range names[l.Key] {
			l.Layers = append(l.Layers, d.Name)
			l.Runtimes = append(l.Runtimes, d.Runtimes...)
			l.Arches = append(l.Arches, d.Architectures...)
		}
		for _, list := range []*[]string{&l.Layers, &l.Runtimes, &l.Arches} {
			slices.Sort(*list)
			*list = slices.Compact(*list)
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b CachedLayer) int {
		return cmp.Or(b.Used.Compare(a.Used.Time), cmp.Compare(a.Key, b.Key))
	})
	return all, ctx.Err()
}

// deliveredNames says, by key, what was delivered.
func deliveredNames(ctx context.Context, c *cache.Cache) map[string][]IndexEntry {
	names := make(map[string][]IndexEntry)
	for _, data := range c.Values(ctx, deliveryKind) {
		var d delivery
		var e IndexEntry
		if json.Unmarshal(data, &d) == nil && json.Unmarshal([]byte(d.Facts), &e) == nil && e.Key != "" {
			names[e.Key] = append(names[e.Key], e)
		}
	}
	return names
}
