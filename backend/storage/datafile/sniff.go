package datafile

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"synergos.app/desktop/backend/learning/dataset"
)

// dialect is how a CSV file is written.
type dialect struct {
	delim        byte
	quote        byte
	eol          byte
	decimalComma bool
}

var delimiters = []byte{',', ';', '\t', '|'}

var delimiterNames = map[byte]string{',': "comma", ';': "semicolon", '\t': "tab", '|': "bar"}

// sniffRecords is how many records decide.
const sniffRecords = 60

// sniff works out the dialect from the first bytes of the text; whole says that
// they are all of it. fields is 1 when no delimiter divides the first line.
func sniff(sample []byte, whole bool, want byte, maxFields int) (d dialect, fields int) {
	d = dialect{delim: ',', quote: '"', eol: '\n'}
	if bytes.IndexByte(sample, '\n') < 0 && bytes.IndexByte(bytes.TrimRight(sample, "\r"), '\r') >= 0 {
		d.eol = '\r'
	}
	try := delimiters
	if want != 0 {
		try = []byte{want}
	}
	if single := singleQuotes(sample, try); single {
		d.quote = '\''
	}
	best := 0.0
	fields = 1
	for _, delim := range try {
		c := d
		c.delim = delim
		n, agree := consistency(sample, whole, c, maxFields)
		// Of equally consistent delimiters the one that divides more is right.
		if n > 1 && (agree > best+.05 || agree > best-.05 && n > fields) {
			best, fields, d = agree, n, c
		}
	}
	if want != 0 {
		d.delim = want
	}
	d.decimalComma = d.delim != ',' && decimalComma(sample, whole, d, maxFields)
	return d, fields
}

// singleQuotes reports whether cells are wrapped in ' and none in ".
func singleQuotes(sample []byte, delims []byte) bool {
	single, double := 0, 0
	for _, d := range delims {
		single += bytes.Count(sample, []byte{'\'', d, '\''})
		double += bytes.Count(sample, []byte{d, '"'}) + bytes.Count(sample, []byte{'"', d})
	}
	return single > 3 && double == 0
}

// records calls f with the first records of the sample; a cut-off last one is
// left out. It reports whether a record had too many cells.
func records(sample []byte, whole bool, d dialect, maxFields int, f func(row dataset.Record)) (tooMany bool) {
	if !whole {
		if i := bytes.LastIndexByte(sample, d.eol); i >= 0 {
			sample = sample[:i]
		}
	}
	s := newScanner(bytes.NewReader(sample), d, len(sample)+1, maxFields, len(sample)+1)
	for range sniffRecords {
		row, err := s.next()
		if err != nil {
			return errors.Is(err, errManyFields)
		}
		f(row)
	}
	return false
}

// consistency returns the number of cells of the first record and the share of
// records that have as many.
func consistency(sample []byte, whole bool, d dialect, maxFields int) (fields int, agree float64) {
	n, same := 0, 0
	tooMany := records(sample, whole, d, maxFields, func(row dataset.Record) {
		if n == 0 {
			fields = row.Len()
		}
		n++
		if row.Len() == fields {
			same++
		}
	})
	if n == 0 && tooMany {
		return maxFields + 1, 1
	}
	if n == 0 {
		return 0, 0
	}
	return fields, float64(same) / float64(n)
}

// decimalComma reports whether numbers are written 3,5 and none 3.5.
func decimalComma(sample []byte, whole bool, d dialect, maxFields int) bool {
	commas, points := 0, 0
	records(sample, whole, d, maxFields, func(row dataset.Record) {
		for i := range row.Len() {
			s := strings.TrimSpace(string(row.Cell(i)))
			if len(s) > 30 {
				continue
			}
			switch {
			case strings.Count(s, ",") == 1 && isNumber(strings.Replace(s, ",", ".", 1)):
				commas++
			case strings.Count(s, ".") == 1 && isNumber(s):
				points++
			}
		}
	})
	return commas > 0 && points == 0
}

func isNumber(s string) bool {
	if s == "" || strings.ContainsAny(s, "xXpP_nN") {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// looksLikeHeader reports whether the first record names columns: it has a cell
// that is neither a number nor missing, or counts up 0, 1, 2 ... or 1, 2, 3 ...
func looksLikeHeader(row dataset.Record) bool {
	numbers := 0
	counting := row.Len() > 1
	first := 0
	for i := range row.Len() {
		s := strings.TrimSpace(string(row.Cell(i)))
		switch {
		case isNumber(s):
			numbers++
		case s == "" || s == "?" || strings.EqualFold(s, "na") || strings.EqualFold(s, "nan") || strings.EqualFold(s, "null"):
		default:
			return true
		}
		v, err := strconv.Atoi(s)
		if i == 0 {
			first = v
		}
		counting = counting && err == nil && first <= 1 && first >= 0 && v == first+i
	}
	return counting || numbers == 0
}
