package deflate

const (
	endOfBlock  = 256
	firstLength = 257
	numLits     = 286
	numDists    = 30

	maxLitBits  = 14 // so that four literals go into one word
	maxDistBits = 15
	maxPreBits  = 7
)

// Lengths less 3 and distances less 1, by RFC 1951, section 3.2.5. A symbol
// stands for 1<<extra of them, from its base on.
var (
	lengthSymbols, lengthBases, lengthExtras = lengthTables()
	distSymbols, distBases, distExtras       = distTables()
)

func lengthTables() (symbols [256]uint8, bases, extras [29]uint8) {
	n := 0
	for s := range bases[:28] {
		bases[s] = uint8(n)
		if s >= 8 {
			extras[s] = uint8(s/4 - 1)
		}
		for range 1 << extras[s] {
			symbols[uint8(n)] = uint8(s)
			n++
		}
	}
	symbols[255], bases[28] = 28, 255
	return symbols, bases, extras
}

// distTables returns the symbols of distances to 256, and those of the longer
// ones by (distance-1)/128, after those.
func distTables() (symbols [512]uint8, bases [32]uint16, extras [32]uint8) {
	n := 0
	for s := range numDists {
		bases[s] = uint16(n)
		if s >= 2 {
			extras[s] = uint8(s/2 - 1)
		}
		for end := n + 1<<extras[s]; n < end; n++ {
			if n < 256 {
				symbols[n] = uint8(s)
			} else {
				symbols[256+n>>7] = uint8(s)
			}
		}
	}
	return symbols, bases, extras
}

// preOrder is the order in which a header has the lengths of its own code, by
// section 3.2.7.
var preOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// The codes of a block without a header, by section 3.2.6.
var fixed = fixedCodes()

func fixedCodes() *codes {
	var c codes
	for i := range c.litLens {
		switch {
		case i < 144:
			c.litLens[i] = 8
		case i < 256:
			c.litLens[i] = 9
		case i < 280:
			c.litLens[i] = 7
		default:
			c.litLens[i] = 8
		}
	}
	for i := range c.distLens {
		c.distLens[i] = 5
	}
	c.assign()
	return &c
}
