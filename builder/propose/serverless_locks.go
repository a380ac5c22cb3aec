package propose

import "slices"

// locks proposes layers for a service that has none: of what is locked in its
// folder and below.
func (s *service) locks() error {
	p := s.project
	p.Paths = []string{s.dir}
	locked, err := readLocks(p, "")
	if err != nil {
		return err
	}
	s.made.Left = append(s.made.Left, locked.Left...)
	for _, l := range locked.Layers {
		language := l.Language()
		here := l.Path == s.dir && s.runsOnAll(&l, language)
		s.universal(&l)
		layer := proposed{key: l.Name, new: true, add: []entry{{"compatibleRuntimes", value(l.Runtimes)}}}
		if slices.ContainsFunc(s.found, func(p proposed) bool { return p.key == layer.key }) {
			layer.key += "-" + language
		}
		l.Origin = layer.key
		layer.refer = here && !slices.ContainsFunc(s.functions, func(f function) bool { return family(f.runtime) != language })
		if here && language == "nodejs" {
			layer.without = []string{"!node_modules/**"}
		}
		s.made.Layers = append(s.made.Layers, l)
		s.found = append(s.found, layer)
	}
	return nil
}

// runsOnAll sets a layer's runtimes and architectures to those of the service's
// functions in a language, where it has some.
func (s *service) runsOnAll(l *Layer, language string) bool {
	var users []target
	for _, f := range s.functions {
		if family(f.runtime) == language {
			users = append(users, f.target)
		}
	}
	if len(users) == 0 && family(s.provider.runtime) == language {
		users = []target{s.provider}
	}
	if len(users) == 0 {
		return false
	}
	l.Runtimes = distinct(users, func(t target) string { return t.runtime })
	l.Comment("runtime", "of the functions")
	arches := distinct(users, func(t target) string { return t.arch })
	if len(arches) == 0 {
		l.takeDefaultArches()
		return true
	}
	l.Arches = arches
	l.Comment("architectures", "of the functions")
	return true
}
