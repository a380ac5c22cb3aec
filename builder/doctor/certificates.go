package doctor

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"
)

// Certificates looks at a PEM file of certificate authorities that builds trust
// beside the system's.
func Certificates(file string, now time.Time) Finding {
	f := Finding{Subject: "CA bundle", Status: Fail, Fix: "it must be a PEM file that this user can read"}
	data, err := os.ReadFile(file)
	if err != nil {
		f.Text, f.Err = fmt.Sprintf("%s cannot be read: %v", file, cause(err)), err
		return f
	}
	var good, expired int
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		switch {
		case block.Type != "CERTIFICATE" || err != nil:
		case now.After(c.NotAfter):
			expired++
		default:
			good++
		}
	}
	switch {
	case good == 0 && expired == 0:
		f.Text = file + " has no certificate"
	case good == 0:
		f.Text, f.Fix = file+": every certificate has expired", "ask who gave it to you for a new one, or set this machine's clock"
	default:
		f.Status, f.Fix = OK, ""
		f.Text = fmt.Sprintf("%s, beside the system's; certificates: %d", file, good+expired)
	}
	return f
}
