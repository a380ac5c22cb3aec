package cache

import "encoding/json"

// maxStored bounds what lies under the name of an entry.
const maxStored = maxEntry + 256*maxSignatures + 1<<10

// stored is what lies under the name of an entry.
type stored struct {
	entry      Entry
	sealed     []byte // its one form
	signatures []signature
	fetched    bool // from a remote, and not built here
}

// newStored signs an entry that was built here, by each of the keys.
func newStored(e Entry, keys []PrivateKey) (stored, error) {
	data, err := encodeEntry(e)
	if err != nil {
		return stored{}, err
	}
	s := stored{entry: e, sealed: data}
	for _, k := range keys {
		s.signatures = append(s.signatures, k.sign(e.Key, data))
	}
	return s, nil
}

// shared is the form that travels: the entry, below its signatures if it has any.
func (s stored) shared() []byte {
	if len(s.signatures) == 0 {
		return s.sealed
	}
	return sealSigned(s.signatures, s.sealed)
}

// local is the form that the local folder has. What was fetched says so, and is
// held against trust whenever it is read. The mark is sealed over all of it, so
// no damage makes of it something that was built here.
func (s stored) local() []byte {
	if s.fetched {
		return seal(kindFetched, s.shared())
	}
	return s.shared()
}

// decodeStored reads what lies under the name of a key's entry. Where it came
// from a remote, whoever calls says so: that it calls itself fetched only tells
// that another machine's folder serves as a remote.
func decodeStored(key Digest, data []byte) (stored, error) {
	s, err := uncover(data)
	if err == nil {
		s.entry, err = decodeEntry(key, s.sealed)
	}
	if err != nil {
		return stored{}, err
	}
	return s, nil
}

// uncover takes off what lies around an entry. The entry itself it does not look
// at.
func uncover(data []byte) (s stored, err error) {
	s.sealed = data
	kind, payload, err := unseal(s.sealed)
	if err == nil && kind == kindFetched {
		s.fetched, s.sealed = true, payload
		kind, payload, err = unseal(s.sealed)
	}
	if err == nil && kind == kindSigned {
		s.signatures, s.sealed, err = splitSigned(payload)
	}
	return s, err
}

// References returns, by role, the blobs that must be kept as long as data, which
// lies in "ac/", is: those of an entry. It is nil where data names none that this
// version knows of. A backend whose server collects garbage asks here.
func References(data []byte) map[string]Blob {
	s, err := uncover(data)
	if err != nil {
		return nil
	}
	kind, payload, err := unseal(s.sealed)
	if err != nil || kind != kindEntry {
		return nil
	}
	var e Entry
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil
	}
	return e.Blobs
}
