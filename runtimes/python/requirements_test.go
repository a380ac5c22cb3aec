package python

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

var (
	hashA = strings.Repeat("a", 64)
	hashB = strings.Repeat("b", 64)
	hashC = strings.Repeat("c", 64)
)

// digests replaces A:, B:, C: by hashes and 512: by one of another kind.
var digests = strings.NewReplacer(
	"A:", "--hash=sha256:"+hashA, "B:", "--hash=sha256:"+hashB, "C:", "--hash=sha256:"+hashC,
	"512:", "--hash=sha512:"+strings.Repeat("d", 128),
	"384:", "--hash sha384:"+strings.Repeat("d", 96),
)

// textFiles makes a project of name, content, name, content, …
func textFiles(pairs ...string) fstest.MapFS {
	project := make(fstest.MapFS)
	for i := 0; i < len(pairs); i += 2 {
		project[pairs[i]] = &fstest.MapFile{Data: []byte(digests.Replace(pairs[i+1]))}
	}
	return project
}

func pythonTarget(t *testing.T, runtime string, arch runtimes.Arch) runtimes.Target {
	t.Helper()
	info, ok := runtimes.Lookup(runtime)
	if !ok {
		t.Fatalf("no runtime %s", runtime)
	}
	return runtimes.Target{Runtime: info, Arch: arch}
}

// printSet writes a set in one line: "name[extras]==version@line:abc", with
// the first letter of each hash.
func printSet(set []lockedRequirement) string {
	var parts []string
	for _, l := range set {
		s := l.name
		if len(l.extras) > 0 {
			s += "[" + strings.Join(l.extras, ",") + "]"
		}
		s += fmt.Sprintf("==%s@%s:%d:", l.version, l.file, l.line)
		for _, h := range l.sha256 {
			s += h[:1]
		}
		if l.url != "" {
			s += " from " + l.url
		}
		parts = append(parts, s)
	}
	return strings.ReplaceAll(strings.Join(parts, " "), "requirements.txt:", "")
}

func TestRequirementsLocked(t *testing.T) {
	for name, test := range map[string]struct {
		project fstest.MapFS
		want    string
	}{
		"pins":          {textFiles("requirements.txt", "b==2 A:\nA.a==1.0rc1 B: A:\n"), "a-a==1.0rc1@2:ab b==2@1:a"},
		"arbitrary":     {textFiles("requirements.txt", "a===1.0.post1 A:"), "a==1.0.post1@1:a"},
		"continued":     {textFiles("requirements.txt", "# head\n\na==1 \\\n    A: \\\n    B:\n    # via b\nb==1 \\\n  A:\n"), "a==1@3:ab b==1@7:a"},
		"comments":      {textFiles("requirements.txt", "a==1 A: # why\n#b==1\n  # c\n"), "a==1@1:a"},
		"only comments": {textFiles("requirements.txt", "# nothing\n\n"), ""},
		"empty":         {textFiles("requirements.txt", ""), ""},
		"no newline":    {textFiles("requirements.txt", "a==1 A:"), "a==1@1:a"},
		"crlf":          {textFiles("requirements.txt", "a==1 \\\r\n A:\r\nb==1 B:\r\n"), "a==1@1:a b==1@3:b"},
		"bom":           {textFiles("requirements.txt", "\ufeffa==1 A:\n"), "a==1@1:a"},
		"utf-16":        {fstest.MapFS{"requirements.txt": {Data: utf16LE(digests.Replace("a==1 A:\r\nb==1 A:\r\n"))}}, "a==1@1:a b==1@2:a"},
		"extras":        {textFiles("requirements.txt", "a[Y_y, x] == 1 A:\na[z]==1.0 A:"), "a[x,y-y,z]==1@1:a"},
		"markers": {textFiles("requirements.txt", `a==1 ; python_version < "3.10" A:
a==2; python_version >= '3.10' and sys_platform == "linux" B:
b==1; platform_machine == "aarch64"
c==1; extra == "x"
`), "a==2@2:b"},
		"hash words":      {textFiles("requirements.txt", "a==1 --hash sha256:"+strings.ToUpper(hashA)+` --hash="sha256:`+hashB+`"`), "a==1@1:ab"},
		"two kinds":       {textFiles("requirements.txt", "a==1 512: A:"), "a==1@1:a"},
		"identical":       {textFiles("requirements.txt", "a==1 A:\na==1 A:\n"), "a==1@1:a"},
		"same pin":        {textFiles("requirements.txt", "a==1 A: B:\na==1.0\na>=0.5 B: C:\n"), "a==1@1:b"},
		"nested":          {textFiles("sub/requirements.txt", "-r ../base.txt\na==1 A:\n", "base.txt", "--requirement=deep/x.txt", "deep/x.txt", "b==1 B:"), ""},
		"constraint pins": {textFiles("requirements.txt", "-c c.txt\na A:\n", "c.txt", "a==1\nb==2\na<5; python_version < '3'\n"), "a==1@2:a"},
		"constraint hash": {textFiles("requirements.txt", "a==1\n-cc.txt", "c.txt", "a==1 A:\n"), "a==1@1:a"},
		"diamond":         {textFiles("requirements.txt", "-r a.txt\n-r b.txt\n", "a.txt", "-r c.txt", "b.txt", "-r c.txt\n-r a.txt", "c.txt", "x==1 A:"), "x==1@c.txt:1:a"},
		"wheel url":       {textFiles("requirements.txt", "https://f.example/w/A_b-1.0-py3-none-any.whl#sha256="+hashA+" ; python_version > '3'"), "a-b==1.0@1:a from https://f.example/w/A_b-1.0-py3-none-any.whl"},
		"named wheel url": {textFiles("requirements.txt", "a-b @ https://f.example/A_b-1.0+l-py3-none-any.whl A:"), "a-b==1.0+l@1:a from https://f.example/A_b-1.0+l-py3-none-any.whl"},
		"false markers": {textFiles("requirements.txt", `-e /elsewhere
a==1 A:
b; sys_platform == "win32"
git+https://git.example/x.git@main#egg=x ; os_name == "nt"
x @ git+https://git.example/x.git ; os_name == "nt"
y @ ./y.whl ; os_name == "nt"
`), "!"},
		"excluded":       {textFiles("requirements.txt", "Boto_3\ns3 @ git+https://git.example/x.git\na==1 A:"), "a==1@3:a"},
		"parenthesised":  {textFiles("requirements.txt", "a (==1) A:"), "a==1@1:a"},
		"options":        {textFiles("requirements.txt", "-i https://i.example/simple\n--pre --no-index\na==1 A:\n"), "a==1@3:a"},
		"option in word": {textFiles("requirements.txt", "my-a==1-1 A:"), "my-a==1.post1@1:a"},
	} {
		t.Run(name, func(t *testing.T) {
			file := "requirements.txt"
			if name == "nested" {
				file, test.want = "sub/requirements.txt", "a==1@sub/2:a b==1@deep/x.txt:1:b"
			}
			r, err := readRequirementsFile(test.project, file)
			if err != nil {
				t.Fatal(err)
			}
			target := pythonTarget(t, "python3.11", runtimes.X86_64)
			target.Exclude, target.Extras = []string{"boto.3", "S3"}, []string{"x"}
			set, err := r.required(target, nil)
			if test.want == "!" {
				if err == nil || strings.Contains(err.Error(), "git") || !strings.Contains(err.Error(), "1 requirement cannot") {
					t.Fatalf("locked = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := printSet(set); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func utf16LE(s string) []byte {
	data := []byte{0xff, 0xfe}
	for _, c := range []byte(s) {
		data = append(data, c, 0)
	}
	return data
}

func TestRequirementsOptions(t *testing.T) {
	project := textFiles("requirements.txt", `-i https://a.example/simple
--extra-index-url=https://b.example/simple --extra-index-url "https://c.example/simple"
-f ./wheels
--find-links https://d.example/links
--trusted-host b.example:8080
--only-binary :all:
--no-binary=Foo_Bar,baz
--prefer-binary --pre
--require-hashes --no-index
--use-feature=fast-deps
-r more.txt
`, "more.txt", "--index-url https://last.example/simple")
	r, err := readRequirementsFile(project, "requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", r.options)
	want := "{indexURL:https://last.example/simple extraIndexURLs:[https://b.example/simple https://c.example/simple]" +
		" noIndex:true findLinks:[./wheels https://d.example/links] trustedHosts:[b.example:8080] onlyBinary:[:all:]" +
		" noBinary:[foo-bar baz] pre:true preferBinary:true requireHashes:true features:[fast-deps]}"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestRequirementsErrors holds the place and reason of every refusal; an error
// may come from reading or from locking.
func TestRequirementsErrors(t *testing.T) {
	deep := []string{"requirements.txt", "-r 1.txt"}
	for i := 1; i <= 20; i++ {
		deep = append(deep, fmt.Sprintf("%d.txt", i), fmt.Sprintf("-r %d.txt", i+1))
	}
	for name, test := range map[string]struct {
		project fstest.MapFS
		want    string // a part of the error
		hint    string
	}{
		"missing":         {textFiles(), "requirements.txt: cannot be read: file does not exist", ""},
		"missing -r":      {textFiles("requirements.txt", "a==1\n-r b/c.txt"), "requirements.txt:2: cannot read b/c.txt: file does not exist", ""},
		"no version":      {textFiles("requirements.txt", "\nrequests>=2,<3 A:"), "requirements.txt: 1 requirement is not locked:\n  requirements.txt:2: requests>=2,<3: no version", ""},
		"star":            {textFiles("requirements.txt", "a==1.* A:"), "a==1.*: no version", ""},
		"odd ===":         {textFiles("requirements.txt", "a===1.0-1 A:"), "a===1.0-1: no version", ""},
		"url marker":      {textFiles("requirements.txt", "a @ https://f.example/a-1-py3-none-any.whl; os_name == 'nt'"), "put a space before the ;", ""},
		"two pins":        {textFiles("requirements.txt", "a==1,==1 A:"), "no version", ""},
		"all open":        {textFiles("requirements.txt", "a==1\nb\n-r c.txt\n", "c.txt", "c==1 A:\nd==2\n"), "requirements.txt: 3 requirements are not locked:\n  requirements.txt:1: a==1: no hash\n  requirements.txt:2: b: no version\n  c.txt:2: d==2: no hash", ""},
		"sha512":          {textFiles("requirements.txt", "a==1 512:"), "a==1: no sha256 hash, only sha512", ""},
		"sha384":          {textFiles("requirements.txt", "a==1 384:"), "a==1: no sha256 hash, only sha384", ""},
		"md5":             {textFiles("requirements.txt", "a==1 \\\n --hash=md5:00"), `requirements.txt:1: the hash "md5:00" is not of a kind`, "sha256"},
		"short hash":      {textFiles("requirements.txt", "\na==1 --hash=sha256:00"), "requirements.txt:2: \"00\" is not a sha256 in hex: 64 digits", ""},
		"lost hash":       {textFiles("requirements.txt", "a==1\n  A:\n"), "requirements.txt:2: --hash without a requirement", `\`},
		"contradicts":     {textFiles("requirements.txt", "a==1 A:\n-r b.txt", "b.txt", "\na==2 A:"), "b.txt:2: b.txt:2 asks for a==2, and requirements.txt:1 for a==1: different versions", "markers"},
		"range":           {textFiles("requirements.txt", "a==1 A:\na>=2"), "requirements.txt:2: requirements.txt:2 asks for a>=2, and requirements.txt:1 for a==1", ""},
		"hashes":          {textFiles("requirements.txt", "a==1 A:\na==1 B:"), "hashes of different files", ""},
		"constrained":     {textFiles("requirements.txt", "a==1 A:\n-c c.txt", "c.txt", "a<1"), "c.txt:1: c.txt:1 asks for a<1", ""},
		"two urls":        {textFiles("requirements.txt", "https://f.example/a-1-py3-none-any.whl A:\nhttps://g.example/a-1-py3-none-any.whl A:"), "requirements.txt:2: requirements.txt:2 asks", ""},
		"editable":        {textFiles("requirements.txt", "a==1\n-e git+https://git.example/x\n"), "requirements.txt:2: 1 requirement cannot be installed yet:\n  requirements.txt:2: -e git+https://git.example/x names no commit", "leave it out"},
		"git":             {textFiles("requirements.txt", "git+ssh://git@git.example/x.git#egg=x"), "names no commit of ssh://git@git.example/x.git: write all", ""},
		"named git":       {textFiles("requirements.txt", "x@git+https://git.example/x.git@v1 ; python_version > '3'"), "names no commit of https://git.example/x.git, but \"v1\"", ""},
		"path":            {textFiles("requirements.txt", "../up[x] ; os_name == 'posix'\n-e ~/lib\n/x/z-1.tar.gz\nZ:\\x\nx @ file:///x/y.zip\nfile://localhost/x\n"), "6 requirements cannot", ""},
		"constraint path": {textFiles("requirements.txt", "a\n-c c.txt", "c.txt", "a @ file:./a-1.tar.gz"), "c.txt:1: a constraint cannot be a path", ""},
		"no such path":    {textFiles("requirements.txt", "a==1\n./lib"), "requirements.txt:2: lib: file does not exist", "relative to the layer's folder"},
		"other file":      {textFiles("requirements.txt", "./lib.txt", "lib.txt", ""), "requirements.txt:1: lib.txt is neither a wheel, a source archive nor a folder", ""},
		"not its file":    {textFiles("requirements.txt", "b @ file:./a-1-py3-none-any.whl", "a-1-py3-none-any.whl", ""), "requirements.txt:1: asks for b and points to a file of a", ""},
		"another hash":    {textFiles("requirements.txt", "./a-1.tar.gz A:", "a-1.tar.gz", ""), "requirements.txt:1: a-1.tar.gz is not the file that was locked", ""},
		"another host":    {textFiles("requirements.txt", "file://host/a-1.tar.gz"), "requirements.txt:1: a file: URL with a host", ""},
		"no name":         {textFiles("requirements.txt", "-e lib", "lib/setup.py", ""), "requirements.txt:1: the name of the project in lib cannot be told", "NAME @ file:lib"},
		"other version":   {textFiles("requirements.txt", "-e lib\nlib==2 A:", "lib/pyproject.toml", "[project]\nname = 'lib'\nversion = '1'"), "requirements.txt:2: requirements.txt:2 asks for lib==2, and requirements.txt:1 for -e lib: different versions", ""},
		"no packages":     {textFiles("requirements.txt", "./lib", "lib/a.py", ""), "lib: is no Python project", ".gitignore"},
		"sdist url":       {textFiles("requirements.txt", "https://f.example/a-1.tar.gz A:"), "other than a wheel", ""},
		"open url":        {textFiles("requirements.txt", "https://f.example/a-1-py3-none-any.whl"), "no hash", ""},
		"wrong name":      {textFiles("requirements.txt", "b @ https://f.example/a-1-py3-none-any.whl A:"), "requirements.txt:1: asks for b and points to a wheel of a", ""},
		"wrong digest":    {textFiles("requirements.txt", "https://f.example/a-1-py3-none-any.whl#sha256="+hashB+" A:"), "fragment", ""},
		"build option":    {textFiles("requirements.txt", "a==1 A: --config-settings=x=y"), "--config-settings needs a build", ""},
		"variable":        {textFiles("requirements.txt", "\n--index-url https://${TOKEN}@i.example/simple"), "requirements.txt:2: uses the environment variable ${TOKEN}", ".netrc"},
		"credentials":     {textFiles("requirements.txt", "-i https://me:secret@i.example/simple"), "requirements.txt:1: holds credentials in a URL", ".netrc"},
		"token":           {textFiles("requirements.txt", "a @ git+https://secret@git.example/x"), "requirements.txt:1: holds credentials", ".netrc"},
		"itself":          {textFiles("requirements.txt", "a\n-r ./requirements.txt"), "requirements.txt:2: requirements.txt includes itself", ""},
		"cycle":           {textFiles("requirements.txt", "-r a/b.txt", "a/b.txt", "\n-c ../requirements.txt"), "a/b.txt:2: requirements.txt includes itself", ""},
		"deep":            {textFiles(deep...), "16.txt:1: files include each other more than 16 deep", ""},
		"outside":         {textFiles("requirements.txt", "-r ../x.txt"), "requirements.txt:1: ../x.txt is outside the project", "move"},
		"absolute":        {textFiles("requirements.txt", "-r /etc/x.txt"), "outside the project", ""},
		"remote":          {textFiles("requirements.txt", "-c https://i.example/c.txt"), "requirements.txt:1: includes a file from a URL", "copy"},
		"constraint -e": {textFiles("requirements.txt", "-c c.txt", "c.txt", "\n-e ."),
			"c.txt:2: a constraint must name its package", ""},
		"constraint extras": {textFiles("requirements.txt", "-c c.txt", "c.txt", "a[x]==1"), "c.txt:1: a constraint cannot have extras", ""},
		"option":            {textFiles("requirements.txt", "a==1\n\n--upgrade"), "requirements.txt:3: unknown option --upgrade", ""},
		"option value":      {textFiles("requirements.txt", "--index-url"), "requirements.txt:1: --index-url needs a value", ""},
		"flag value":        {textFiles("requirements.txt", "--pre=yes"), "--pre takes no value", ""},
		"option after":      {textFiles("requirements.txt", "a==1 --pre"), "requirements.txt:1: --pre cannot follow", "line of its own"},
		"word after":        {textFiles("requirements.txt", "--pre a==1"), "requirements.txt:1: unexpected \"a==1\" after an option", ""},
		"quote":             {textFiles("requirements.txt", "--find-links 'x"), "requirements.txt:1: a quote is not closed", ""},
		"backslash":         {textFiles("requirements.txt", "a==1 \\ \n A:"), "requirements.txt:1: ends in a backslash", "space"},
		"syntax":            {textFiles("requirements.txt", "a==1 A:\nb=1"), `requirements.txt:2: requirement "b=1": version specifier "=1": no comparison`, ""},
		"marker":            {textFiles("requirements.txt", "a==1; python > '3'"), "requirements.txt:1: requirement \"a==1; python > '3'\": marker", ""},
		"local dependency": {textFiles("requirements.txt", "-e ./lib", "lib/pyproject.toml", "[project]\nname = 'lib'\ndependencies = [\n  \"six\",\n  \"foo bar\",\n]\n"),
			`lib/pyproject.toml:5: a dependency that cannot be read: requirement "foo bar"`, "string of its own"},
		"local dependency, twice": {textFiles("requirements.txt", "six==1 A:\n-e ./lib", "lib/pyproject.toml", "[project]\nname = 'lib'\ndependencies = [\n  'six>2',\n]\n"),
			"lib/pyproject.toml:4", ""},
		"not text":       {textFiles("requirements.txt", "a==1\n\xff\xfe==1"), "requirements.txt:2: not UTF-8", "UTF-8"},
		"merge conflict": {textFiles("requirements.txt", "a==1 A:\n-r more.txt", "more.txt", "b==1 B:\n<<<<<<< HEAD\nc==1\n=======\nc==2\n>>>>>>> other\n"), "more.txt:2: holds merge conflict markers", "resolve the merge"},
		"long line":      {textFiles("requirements.txt", "a==1"+strings.Repeat(" ", maxRequirementsLine)+"1"), "requirements.txt:1: longer than", ""},
		"many lines":     {textFiles("requirements.txt", strings.Repeat("a\n", maxRequirementsLines+1)), "requirements.txt:100001: more than 100000 lines", ""},
		"large":          {textFiles("requirements.txt", strings.Repeat("#", maxRequirementsFile+1)), "requirements.txt: larger than 16 MiB", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := readRequirementsFile(test.project, "requirements.txt")
			target := pythonTarget(t, "python3.13", runtimes.ARM64)
			if err == nil {
				_, err = r.place(test.project, target)
			}
			if err == nil {
				_, err = r.required(target, nil)
			}
			var input *runtimes.InputError
			var open *runtimes.Unresolved
			if errors.As(err, &open) {
				input = &runtimes.InputError{}
			} else if !errors.As(err, &input) {
				t.Fatalf("got %v, want an InputError", err)
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(input.Hint, test.hint) {
				t.Errorf("got  %v\nhint %s\nwant %s\nhint %s", err, input.Hint, test.want, test.hint)
			}
			if strings.Contains(err.Error()+input.Hint, "secret") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func TestOpenListIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 150 {
		fmt.Fprintf(&b, "p%d==1\n", i)
	}
	r, err := readRequirementsFile(textFiles("requirements.txt", b.String()), "requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.required(pythonTarget(t, "python3.13", runtimes.X86_64), nil)
	if err == nil || !strings.Contains(err.Error(), "150 requirements are not locked") || !strings.HasSuffix(err.Error(), "and 50 more") {
		t.Errorf("got %v", err)
	}
}

func FuzzRequirements(f *testing.F) {
	for _, s := range []string{
		"a==1 \\\n  A: \\\n  B:\n# c\nb[x]==2; python_version > '3' A:\n",
		"-i https://i.example/simple --pre\r\n-r b.txt\n-c b.txt\n-e .\n",
		"https://f.example/a-1-py3-none-any.whl#sha256=" + hashA + " ; os_name == 'posix'\n./x ; os_name=='nt'\n",
		"a (>=1) --hash 'sha256:\"\\\\'\n\ufeffx\n",
	} {
		f.Add(digests.Replace(s))
	}
	target := runtimes.Target{Runtime: runtimes.Table()[0], Arch: runtimes.ARM64}
	f.Fuzz(func(t *testing.T, s string) {
		project := textFiles("b.txt", "a>=1\n")
		project["requirements.txt"] = &fstest.MapFile{Data: []byte(s)}
		r, err := readRequirementsFile(project, "requirements.txt")
		var set []lockedRequirement
		if err == nil {
			set, err = r.required(target, nil)
		}
		if err != nil {
			var input *runtimes.InputError
			var open *runtimes.Unresolved
			if errors.As(err, &open) {
				return
			}
			if !errors.As(err, &input) || input.Problem == "" {
				t.Fatalf("%#v is no InputError that says what is wrong", err)
			}
			return
		}
		for _, l := range set {
			if l.name == "" || l.version == "" || len(l.sha256) == 0 || l.line == 0 {
				t.Fatalf("%+v is not locked", l)
			}
		}
	})
}
