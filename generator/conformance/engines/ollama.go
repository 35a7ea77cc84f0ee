// Renders Ollama templates: the real text/template around the data that Ollama gives it.
//
// One JSON request a line on the standard input, one JSON answer a line on the standard output. The rules are those of
// Ollama's template/template.go, thinking/template.go, tools/template.go and tools/tools.go (August 2026, v0.33.0-rc2),
// written anew from what they do.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

type call struct {
	ID       string
	Function struct {
		Index     int
		Name      string
		Arguments arguments
	}
}

// arguments come from an object that keeps its order, and reach templates as a map, which has none.
type arguments map[string]any

func (a arguments) String() string {
	if a == nil {
		return "{}"
	}
	return toJSON(a)
}

// A tool has the fields of api/types.go; what a request says beyond them is lost.
type tool struct {
	Type     string   `json:"type"`
	Items    any      `json:"items,omitempty"`
	Function function `json:"function"`
}

func (t tool) String() string { return toJSON(t) }

type tools []tool

func (t tools) String() string { return toJSON(t) }

type function struct {
	Name        string     `json:"name"`
	Description string     `json:"description"` // also where the request has none
	Parameters  parameters `json:"parameters"`
}

type parameters struct {
	Type       string     `json:"type"`
	Defs       any        `json:"$defs,omitempty"`
	Items      any        `json:"items,omitempty"`
	Required   []string   `json:"required,omitempty"`
	Properties properties `json:"properties"`
}

type properties map[string]property

func (p properties) String() string {
	if p == nil {
		return "{}"
	}
	return toJSON(p)
}

type property struct {
	AnyOf       []property           `json:"anyOf,omitempty"`
	Type        typeName             `json:"type,omitempty"`
	Items       any                  `json:"items,omitempty"`
	Description string               `json:"description,omitempty"`
	Enum        []any                `json:"enum,omitempty"`
	Properties  *map[string]property `json:"properties,omitempty"` // keeps its order in Ollama; no template looks inside
	Required    []string             `json:"required,omitempty"`
}

// typeName is one name or a list of them.
type typeName []string

func (t *typeName) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = typeName{one}
		return nil
	}
	var many []string
	err := json.Unmarshal(data, &many)
	*t = many
	return err
}

func (t typeName) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

func (t typeName) String() string {
	switch len(t) {
	case 0:
		return ""
	case 1:
		return t[0]
	}
	return fmt.Sprint([]string(t))
}

type message struct {
	Role       string
	Content    string
	Thinking   string
	Images     [][]byte
	ToolCalls  []call
	ToolName   string
	ToolCallID string
}

// A request with a reply asks for the calls that Ollama finds in it, any other for a prompt.
type request struct {
	Template   string
	Reply      string
	Messages   []message
	Tools      tools
	Think      bool
	ThinkLevel string
	IsThinkSet bool
	Today      string // YYYY-MM-DD
}

type answer struct {
	Text      string   `json:"text"`
	Error     string   `json:"error"`
	Variables []string `json:"variables"` // the lower-case names of the fields and variables that the template reads
	Opening   string   `json:"opening"`   // the texts around a thought, empty where Ollama finds none
	Closing   string   `json:"closing"`
	Calls     []found  `json:"calls"`
}

type found struct {
	Name      string         `json:"name"`
	Arguments map[string]any `json:"arguments"`
}

func main() {
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	output.SetEscapeHTML(false)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			output.Encode(answer{Error: err.Error()})
			continue
		}
		output.Encode(respond(r))
	}
}

func respond(r request) answer {
	today, err := time.Parse(time.DateOnly, r.Today)
	if err != nil {
		return answer{Error: err.Error()}
	}
	parsed, err := template.New("").Option("missingkey=zero").Funcs(functions(today)).Parse(r.Template)
	if err != nil {
		return answer{Error: err.Error()}
	}
	found := inspect(parsed)
	if found.Error != "" {
		return found
	}
	if r.Reply != "" {
		found.Calls = readCalls(r.Reply, callTag(parsed.Root), r.Tools)
		return found
	}
	if !slices.Contains(found.Variables, "messages") {
		// Ollama renders such a template turn by turn, after it has appended {{ .Response }} where that is missing.
		found.Error = "the template does not read .Messages"
		return found
	}
	system, messages := collate(r.Messages)
	var text strings.Builder
	err = parsed.Execute(&text, map[string]any{
		"System":     system,
		"Messages":   messages,
		"Tools":      r.Tools,
		"Response":   "",
		"Think":      r.Think,
		"ThinkLevel": r.ThinkLevel,
		"IsThinkSet": r.IsThinkSet,
	})
	if err != nil {
		found.Error = err.Error()
	}
	found.Text = text.String()
	return found
}

// callTag is the text that Ollama takes for the beginning of calls: the first one inside the first condition on
// .ToolCalls, up to a brace; a brace alone where an action comes before any text.
func callTag(root *parse.ListNode) string {
	tag := ""
	if condition := toolCallsCondition(root); condition != nil {
		tag, _ = firstText(condition.List)
	}
	tag, _, _ = strings.Cut(tag, "{")
	if tag = strings.TrimSpace(tag); tag == "" {
		return "{"
	}
	return tag
}

func toolCallsCondition(list *parse.ListNode) *parse.IfNode {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		var branch *parse.BranchNode
		switch n := node.(type) {
		case *parse.IfNode:
			for _, command := range n.Pipe.Cmds {
				for _, argument := range command.Args {
					if field, ok := argument.(*parse.FieldNode); ok && slices.Contains(field.Ident, "ToolCalls") {
						return n
					}
				}
			}
			branch = &n.BranchNode
		case *parse.RangeNode:
			branch = &n.BranchNode
		case *parse.WithNode:
			branch = &n.BranchNode
		default:
			continue
		}
		for _, side := range []*parse.ListNode{branch.List, branch.ElseList} {
			if condition := toolCallsCondition(side); condition != nil {
				return condition
			}
		}
	}
	return nil
}

// firstText is the first text with more than white space; ended says that an action or a block without text comes first.
func firstText(list *parse.ListNode) (text string, ended bool) {
	if list == nil {
		return "", false
	}
	for _, node := range list.Nodes {
		var branch *parse.BranchNode
		switch n := node.(type) {
		case *parse.TextNode:
			if strings.TrimSpace(string(n.Text)) != "" {
				return string(n.Text), true
			}
			continue
		case *parse.ActionNode:
			return "", true
		case *parse.IfNode:
			branch = &n.BranchNode
		case *parse.RangeNode:
			branch = &n.BranchNode
		case *parse.WithNode:
			branch = &n.BranchNode
		default:
			continue
		}
		for _, side := range []*parse.ListNode{branch.List, branch.ElseList} {
			if text, _ := firstText(side); text != "" {
				return text, true
			}
		}
		return "", true
	}
	return "", false
}

// readCalls finds the calls in a reply that arrives whole (tools/tools.go): behind the tag, the name of a tool, then the
// first object.
func readCalls(reply, tag string, offered tools) []found {
	at := strings.Index(reply, tag)
	if at < 0 || (tag == "{" || tag == "[") && strings.TrimSpace(reply[:at]) != "" {
		return nil
	}
	var calls []found
	for rest := reply[at:]; ; {
		name, end := firstName(rest, offered)
		if name == "" {
			return calls
		}
		arguments, last := firstArguments(name, rest)
		if arguments == nil {
			return calls
		}
		calls = append(calls, found{name, arguments})
		rest = rest[max(end, last):]
	}
}

// firstName is the name that comes first, the longer of two; none where the text may end inside of one.
func firstName(text string, offered tools) (name string, end int) {
	first := -1
	for _, t := range offered {
		candidate := t.Function.Name
		for size := 1; size < len(candidate); size++ {
			if strings.HasSuffix(text, candidate[:size]) {
				return "", 0
			}
		}
		at := strings.Index(text, candidate)
		if at >= 0 && (first < 0 || at < first || at == first && len(candidate) > len(name)) {
			first, name, end = at, candidate, at+len(candidate)
		}
	}
	return name, end
}

// firstArguments looks through the objects of a text, and gives the arguments inside the first one and where it ends.
func firstArguments(name, text string) (map[string]any, int) {
	start, depth := -1, 0
	quoted, escaped := false, false
	for i, c := range []byte(text) {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			if depth == 0 {
				start = i
			}
			depth++
		case c == '}':
			depth--
			if depth == 0 && start >= 0 {
				var object map[string]any
				if json.Unmarshal([]byte(text[start:i+1]), &object) == nil {
					if arguments, ok := argumentsIn(object, name); ok {
						return arguments, i
					}
					return object, i
				}
				start = -1
			}
			depth = max(depth, 0)
		}
	}
	return nil, 0
}

func argumentsIn(object map[string]any, name string) (map[string]any, bool) {
	under := func(key string) (map[string]any, bool) {
		switch value := object[key].(type) {
		case map[string]any:
			return value, true
		case string:
			var read map[string]any
			return read, json.Unmarshal([]byte(value), &read) == nil
		}
		return nil, false
	}
	keys := []string{name}
	_, named := object["name"]
	if named {
		keys = []string{"arguments", "parameters"}
	}
	for _, key := range keys {
		if arguments, ok := under(key); ok {
			return arguments, true
		}
	}
	if named {
		return nil, true
	}
	for _, value := range object {
		items, _ := value.([]any)
		for _, item := range append(items, value) {
			if inner, ok := item.(map[string]any); ok {
				if arguments, ok := argumentsIn(inner, name); ok {
					return arguments, true
				}
			}
		}
	}
	return nil, false
}

func functions(today time.Time) template.FuncMap {
	return template.FuncMap{
		"json":             toJSON,
		"currentDate":      func(...string) string { return today.Format(time.DateOnly) },
		"yesterdayDate":    func(...string) string { return today.AddDate(0, 0, -1).Format(time.DateOnly) },
		"toTypeScriptType": func(any) string { return "any" },
	}
}

func toJSON(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}

// collate joins the texts of all system messages, and merges neighbours of one role, tool messages excepted.
func collate(messages []message) (string, []*message) {
	var system []string
	var merged []*message
	for i := range messages {
		next := &messages[i]
		if next.Role == "system" {
			system = append(system, next.Content)
		}
		if n := len(merged); n > 0 && next.Role != "tool" && merged[n-1].Role == next.Role {
			merged[n-1].Content += "\n\n" + next.Content
			continue
		}
		merged = append(merged, next)
	}
	return strings.Join(system, "\n\n"), merged
}

// inspect finds what the template reads, and the texts around a thought: in the nearest list of nodes around a .Thinking
// that stands in a loop over .Messages, the first and the last node, where these are plain texts.
func inspect(parsed *template.Template) answer {
	var found answer
	names := map[string]bool{}
	for _, part := range parsed.Templates() {
		walk(part.Root, nil, func(node parse.Node, _ []parse.Node) {
			switch n := node.(type) {
			case *parse.FieldNode:
				for _, name := range n.Ident {
					names[strings.ToLower(name)] = true
				}
			case *parse.VariableNode:
				for _, name := range n.Ident {
					names[strings.ToLower(name)] = true
				}
			case *parse.TemplateNode:
				if n.Pipe == nil {
					found.Error = "undefined template specified"
				}
			}
		})
	}
	found.Variables = slices.Sorted(maps.Keys(names))
	walk(parsed.Root, nil, func(node parse.Node, above []parse.Node) {
		field, ok := node.(*parse.FieldNode)
		if !ok || field.Ident[0] != "Thinking" || !overMessages(above) {
			return
		}
		for i := len(above) - 1; i >= 0; i-- {
			if list, ok := above[i].(*parse.ListNode); ok {
				if text, ok := list.Nodes[0].(*parse.TextNode); ok {
					found.Opening = strings.TrimSpace(string(text.Text))
				}
				if text, ok := list.Nodes[len(list.Nodes)-1].(*parse.TextNode); ok {
					found.Closing = strings.TrimSpace(string(text.Text))
				}
				return
			}
		}
	})
	return found
}

func overMessages(above []parse.Node) bool {
	for i := len(above) - 1; i >= 0; i-- {
		if loop, ok := above[i].(*parse.RangeNode); ok {
			over := false
			walk(loop.Pipe, nil, func(node parse.Node, _ []parse.Node) {
				if field, ok := node.(*parse.FieldNode); ok && field.Ident[0] == "Messages" {
					over = true
				}
			})
			return over
		}
	}
	return false
}

func walk(node parse.Node, above []parse.Node, visit func(parse.Node, []parse.Node)) {
	visit(node, above)
	above = append(above[:len(above):len(above)], node)
	branch := func(b *parse.BranchNode) {
		walk(b.Pipe, above, visit)
		walk(b.List, above, visit)
		if b.ElseList != nil {
			walk(b.ElseList, above, visit)
		}
	}
	switch n := node.(type) {
	case *parse.ListNode:
		for _, child := range n.Nodes {
			walk(child, above, visit)
		}
	case *parse.ActionNode:
		walk(n.Pipe, above, visit)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			walk(n.Pipe, above, visit)
		}
	case *parse.PipeNode:
		for _, command := range n.Cmds {
			walk(command, above, visit)
		}
	case *parse.CommandNode:
		for _, argument := range n.Args {
			walk(argument, above, visit)
		}
	}
}
