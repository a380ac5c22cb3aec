package runtimes

// others are Lambda's runtimes that no plugin serves. A layer of plain files
// may name them.
var others = []Info{
	other("nodejs", "24", "nodejs24.x", "al2023"),
	other("nodejs", "22", "nodejs22.x", "al2023"),
	other("nodejs", "20", "nodejs20.x", "al2023"),
	other("nodejs", "18", "nodejs18.x", "al2"),
	other("java", "25", "java25", "al2023"),
	other("java", "21", "java21", "al2023"),
	other("java", "17", "java17", "al2"),
	other("java", "11", "java11", "al2"),
	other("java", "8", "java8.al2", "al2"),
	other("dotnet", "10", "dotnet10", "al2023"),
	other("dotnet", "8", "dotnet8", "al2023"),
	other("ruby", "3.4", "ruby3.4", "al2023"),
	other("ruby", "3.3", "ruby3.3", "al2023"),
	other("ruby", "3.2", "ruby3.2", "al2"),
	other("provided", "", "provided.al2023", "al2023"),
	other("provided", "", "provided.al2", "al2"),
}

func other(family, version, name, os string) Info {
	return Info{Name: name, Family: family, Version: version, OS: os, Glibc: glibcOf[os]}
}

// Known lists every runtime of Lambda that can be named: those of [Table],
// then those that no plugin serves.
func Known() []Info {
	all := Table()
	for _, info := range others {
		if _, served := Lookup(info.Name); !served {
			all = append(all, info)
		}
	}
	return all
}
