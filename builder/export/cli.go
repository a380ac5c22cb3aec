package export

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// CLIOptions say where archives go that are too large for a request.
type CLIOptions struct {
	Bucket, Prefix string
}

const cliHead = `#!/bin/sh
# Publishes Lambda layers with the AWS CLI. Made by layerbuild export cli.
# Prints each layer's name and the ARN of its newest version. Where that has the
# archive already, by the hash that Lambda keeps of it, none is published.
set -eu

# publish NAME CODE_SHA256 OPTION...
publish() {
  name=$1 want=$2
  shift 2
  have= version=$(aws lambda list-layer-versions --layer-name "$name" --no-paginate \
    --query 'LayerVersions[0].Version' --output text)
  if [ "$version" != None ]; then
    found=$(aws lambda get-layer-version --layer-name "$name" --version-number "$version" \
      --query '[Content.CodeSha256, LayerVersionArn]' --output text)
    have=${found%%[[:space:]]*} arn=${found##*[[:space:]]}
  fi
  if [ "$have" != "$want" ]; then
    arn=$(aws lambda publish-layer-version --layer-name "$name" "$@" \
      --query LayerVersionArn --output text)
  fi
  printf '%s\t%s\n' "$name" "$arn"
}
`

const cliUpload = `
# upload FILE BUCKET KEY, whose name is its content's
upload() {
  aws s3api head-object --bucket "$2" --key "$3" >/dev/null 2>&1 ||
    aws s3 cp --only-show-errors "$1" "s3://$2/$3" >&2
}
`

// CLI is a shell script that publishes the layers with AWS's command line.
// Archives beyond builder.DirectUpload are put into a bucket first.
func CLI(layers []Layer, opts CLIOptions) ([]byte, error) {
	var calls bytes.Buffer
	uploads := false
	for _, l := range layers {
		code := []string{"--zip-file", "fileb://" + l.Path}
		calls.WriteByte('\n')
		if l.Size > builder.DirectUpload {
			if opts.Bucket == "" {
				return nil, &runtimes.InputError{
					Problem: fmt.Sprintf("%s has %.1f MB, and Lambda takes an archive of up to %d MB in a request", l.Path, float64(l.Size)/1e6, builder.DirectUpload/1_000_000),
					Hint:    "name a bucket, through which larger ones go: --bucket NAME",
				}
			}
			uploads = true
			key := opts.Prefix + l.SHA256 + ".zip"
			fmt.Fprintln(&calls, shell("upload", l.Path, opts.Bucket, key))
			code = []string{"--content", "S3Bucket=" + opts.Bucket + ",S3Key=" + key}
		}
		fmt.Fprintf(&calls, "%s \\\n  %s", shell("publish", l.lambdaName(), l.SHA256Base64), shell(code...))
		for _, option := range [][]string{
			append([]string{"--compatible-runtimes"}, l.Runtimes...),
			append([]string{"--compatible-architectures"}, l.Architectures...),
			{"--description", l.Description},
			{"--license-info", l.LicenseInfo},
		} {
			if len(option) > 1 && option[1] != "" {
				fmt.Fprintf(&calls, " \\\n  %s", shell(option...))
			}
		}
		calls.WriteByte('\n')
	}
	head := cliHead
	if uploads {
		head += cliUpload
	}
	return append([]byte(head), calls.Bytes()...), nil
}

// shell quotes words for sh where they need it.
func shell(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		plain := func(r rune) bool {
			return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,+@", r)
		}
		if w == "" || strings.ContainsFunc(w, func(r rune) bool { return !plain(r) }) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
