package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// maxValue bounds a value. It is read into memory as one piece.
const maxValue = 64 << 20

// A valueID is what a value is found by. It heads the value's payload as one
// line, and its hash is the value's name beside the entries'.
type valueID struct{ kind, key string }

// line is quoted as Go quotes: unlike JSON, that tells any two strings apart.
func (id valueID) line() []byte { return fmt.Appendf(nil, "%q %q\n", id.kind, id.key) }

func (id valueID) name() string {
	return entryName(sealSum(kindValue, 0, id.line()))
}

func (id valueID) String() string { return id.kind + " " + id.key }

// PutValue keeps a small answer: what a lock file was read as, what an index
// said. The kind names the question and the version of its answer's form, the
// key is all that the answer depends on. Values are not synced; one that is
// lost with the power is a miss.
func (c *Cache) PutValue(ctx context.Context, kind, key string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	id := valueID{kind, key}
	sealed := seal(kindValue, append(id.line(), data...))
	if len(sealed) > maxValue {
		return fmt.Errorf("value %s takes %d bytes; %d are allowed", id, len(sealed), maxValue)
	}
	return c.putUnsynced(id.name(), sealed)
}

// GetValue returns what was last put for kind and key.
func (c *Cache) GetValue(ctx context.Context, kind, key string) ([]byte, error) {
	id := valueID{kind, key}
	var value []byte
	err := c.readSealed(ctx, id.name(), maxValue, func(data []byte) (err error) {
		value, err = decodeValue(id, data)
		return err
	})
	if err != nil {
		return nil, c.defect(id.name(), id.String(), err)
	}
	return value, nil
}

func decodeValue(id valueID, data []byte) ([]byte, error) {
	kind, payload, err := unseal(data)
	if err != nil {
		return nil, err
	}
	if kind != kindValue {
		return nil, fmt.Errorf("is an %s instead of a value", kind)
	}
	value, ok := bytes.CutPrefix(payload, id.line())
	if !ok {
		return nil, errors.New("is the value of another key")
	}
	return value, nil
}

// verifyValue checks that a value lies under its own name, and returns what it
// is found by.
func verifyValue(name string, payload []byte) (valueID, error) {
	line, _, _ := bytes.Cut(payload, []byte("\n"))
	var id valueID
	if _, err := fmt.Sscanf(string(line), "%q %q", &id.kind, &id.key); err != nil {
		return id, err
	}
	if !bytes.HasPrefix(payload, id.line()) || id.name() != name {
		return id, errors.New("is the value of another key")
	}
	return id, nil
}

// valueOf returns the key and the value under a name, nil where it is not of
// that kind.
func valueOf(name, kind string, data []byte) (key string, value []byte, err error) {
	_, payload, err := unseal(data)
	if err != nil {
		return "", nil, err
	}
	id, err := verifyValue(name, payload)
	if err != nil || id.kind != kind {
		return "", nil, err
	}
	return id.key, payload[len(id.line()):], nil
}
