// SPDX-License-Identifier: Apache-2.0

package typetest

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// Random draws a table of random types with random values, for a server of this version.
func Random(name string, version int) *rapid.Generator[Table] {
	return rapid.Custom(func(t *rapid.T) Table {
		table := Table{Name: name}
		rows := rapid.IntRange(1, 4).Draw(t, "rows")
		for i := range rapid.IntRange(1, 40).Draw(t, "columns") {
			draw := rapid.SampledFrom(randomColumns).Draw(t, "type")
			declared, value := draw(t, version)
			c := Column{Name: fmt.Sprintf("c%d", i), Declared: declared}
			for range rows {
				v := "NULL"
				if rapid.IntRange(0, 9).Draw(t, "null") > 0 {
					v = value(t)
				}
				c.Values = append(c.Values, v)
			}
			table.Columns = append(table.Columns, c)
		}
		return table
	})
}

// drawn gives an SQL expression of a value.
type drawn func(*rapid.T) string

// randomColumns draw a type and what draws its values.
var randomColumns = []func(t *rapid.T, version int) (string, drawn){
	drawInteger, drawFloat, drawDecimal, drawBits, drawTime, drawText, drawText, drawBytes, drawLabels, drawJSON, drawGeometry, drawVector, drawYear,
}

func drawInteger(t *rapid.T, _ int) (string, drawn) {
	types := []string{"tinyint", "smallint", "mediumint", "int", "bigint"}
	bits := []int{8, 16, 24, 32, 64}
	i := rapid.IntRange(0, 4).Draw(t, "integer")
	if rapid.Bool().Draw(t, "unsigned") {
		return types[i] + " unsigned", func(t *rapid.T) string {
			return strconv.FormatUint(rapid.Uint64Range(0, ^uint64(0)>>(64-bits[i])).Draw(t, "n"), 10)
		}
	}
	return types[i], func(t *rapid.T) string {
		return strconv.FormatInt(rapid.Int64Range(-1<<(bits[i]-1), 1<<(bits[i]-1)-1).Draw(t, "n"), 10)
	}
}

func drawFloat(t *rapid.T, _ int) (string, drawn) {
	if rapid.Bool().Draw(t, "double") {
		return "double", func(t *rapid.T) string {
			return strconv.FormatFloat(rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(t, "f"), 'e', -1, 64)
		}
	}
	return rapid.SampledFrom([]string{"float", "float(9,3)"}).Draw(t, "float"), func(t *rapid.T) string {
		return strconv.FormatFloat(float64(rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32).Draw(t, "f")), 'e', -1, 32)
	}
}

func drawDecimal(t *rapid.T, _ int) (string, drawn) {
	precision := rapid.IntRange(1, 65).Draw(t, "precision")
	scale := rapid.IntRange(0, min(30, precision)).Draw(t, "scale")
	return fmt.Sprintf("decimal(%d,%d)", precision, scale), func(t *rapid.T) string {
		return rapid.StringMatching(fmt.Sprintf(`-?[0-9]{1,%d}\.[0-9]{0,%d}`, precision-scale+1, scale+1)).Draw(t, "decimal")
	}
}

func drawBits(t *rapid.T, _ int) (string, drawn) {
	n := rapid.IntRange(1, 64).Draw(t, "bits")
	return fmt.Sprintf("bit(%d)", n), func(t *rapid.T) string {
		return strconv.FormatUint(rapid.Uint64Range(0, ^uint64(0)>>(64-n)).Draw(t, "n"), 10)
	}
}

func drawYear(*rapid.T, int) (string, drawn) {
	return "year", func(t *rapid.T) string { return strconv.Itoa(rapid.IntRange(1901, 2155).Draw(t, "year")) }
}

func drawTime(t *rapid.T, _ int) (string, drawn) {
	f := fraction(rapid.IntRange(0, 6).Draw(t, "fsp"))
	clock := func(t *rapid.T, hours int) string {
		return fmt.Sprintf("%02d:%02d:%02d.%06d", rapid.IntRange(0, hours).Draw(t, "h"), rapid.IntRange(0, 59).Draw(t, "min"),
			rapid.IntRange(0, 59).Draw(t, "s"), rapid.IntRange(0, 999999).Draw(t, "us"))
	}
	date := func(t *rapid.T, first, last, low int) string {
		return fmt.Sprintf("%04d-%02d-%02d", rapid.IntRange(first, last).Draw(t, "y"), rapid.IntRange(low, 12).Draw(t, "m"), rapid.IntRange(low, 28).Draw(t, "d"))
	}
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return "date", func(t *rapid.T) string { return "'" + date(t, 0, 9999, 0) + "'" }
	case 1:
		return "time" + f, func(t *rapid.T) string {
			return "'" + rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + clock(t, 838) + "'"
		}
	case 2:
		return "datetime" + f, func(t *rapid.T) string { return "'" + date(t, 0, 9999, 0) + " " + clock(t, 23) + "'" }
	}
	return "timestamp" + f + " NULL", func(t *rapid.T) string { return "'" + date(t, 1971, 2037, 1) + " " + clock(t, 23) + "'" }
}

// drawText draws texts of the charset's own characters, or any where it has all.
func drawText(t *rapid.T, _ int) (string, drawn) {
	s := rapid.SampledFrom(samples).Draw(t, "charset")
	n := rapid.IntRange(1, 120).Draw(t, "length")
	declared := rapid.SampledFrom([]string{fmt.Sprintf("char(%d)", n), fmt.Sprintf("varchar(%d)", n), "tinytext", "text", "mediumtext", "longtext"}).Draw(t, "type")
	runes := append([]rune(s.text), []rune(" ~az09'\"\\\n\t")...)
	gen := rapid.StringOf(rapid.SampledFrom(runes))
	if s.charset == "utf8mb4" || s.charset == "gb18030" || strings.HasPrefix(s.charset, "utf16") || s.charset == "utf32" {
		gen = rapid.String()
	}
	return declared + " character set " + s.charset, func(t *rapid.T) string { return literal(gen.Draw(t, "text")) }
}

// literal is a text in SQL, whatever it holds.
func literal(s string) string { return fmt.Sprintf("_utf8mb4 X'%x'", s) }

func drawBytes(t *rapid.T, _ int) (string, drawn) {
	n := rapid.IntRange(1, 255).Draw(t, "length")
	declared := rapid.SampledFrom([]string{fmt.Sprintf("binary(%d)", n), fmt.Sprintf("varbinary(%d)", 2*n), "tinyblob", "blob", "mediumblob", "longblob"}).Draw(t, "type")
	return declared, func(t *rapid.T) string {
		return fmt.Sprintf("X'%x'", rapid.SliceOfN(rapid.SampledFrom([]byte("\x00\x00\x20\xff\x80a")), 0, 60).Draw(t, "bytes"))
	}
}

// drawLabels draws an ENUM or a SET with random labels; a number in each keeps them apart.
func drawLabels(t *rapid.T, _ int) (string, drawn) {
	s := rapid.SampledFrom(samples).Draw(t, "charset")
	n := rapid.IntRange(1, 64).Draw(t, "members")
	noComma := rapid.StringOfN(rapid.SampledFrom(append([]rune(bmp(s.text)), []rune(` '"\az`)...)), 0, 5, -1)
	var labels []string
	for i := range n {
		labels = append(labels, "'"+strings.NewReplacer(`\`, `\\`, "'", "''").Replace(noComma.Draw(t, "label"))+strconv.Itoa(i)+"'")
	}
	list := "(" + strings.Join(labels, ",") + ") character set " + s.charset
	if rapid.Bool().Draw(t, "set") {
		return "set" + list, func(t *rapid.T) string {
			return strconv.FormatUint(rapid.Uint64Range(0, ^uint64(0)>>(64-n)).Draw(t, "set"), 10)
		}
	}
	return "enum" + list, func(t *rapid.T) string { return strconv.Itoa(rapid.IntRange(0, n).Draw(t, "enum")) }
}

func drawVector(t *rapid.T, version int) (string, drawn) {
	if version < 90000 {
		return drawBytes(t, version)
	}
	n := rapid.IntRange(1, 20).Draw(t, "dimensions")
	return fmt.Sprintf("vector(%d)", n), func(t *rapid.T) string {
		list := rapid.SliceOfN(rapid.Float32Range(-1e30, 1e30), 1, n).Draw(t, "vector")
		text := make([]string, len(list))
		for i, f := range list {
			if math.Abs(float64(f)) < 1e-30 {
				f = 0 // the server refuses what is nearly nothing
			}
			text[i] = strconv.FormatFloat(float64(f), 'e', -1, 32)
		}
		return "STRING_TO_VECTOR('[" + strings.Join(text, ",") + "]')"
	}
}

func drawGeometry(t *rapid.T, _ int) (string, drawn) {
	point := func(t *rapid.T) string {
		return fmt.Sprintf("%d %d", rapid.IntRange(-1000, 1000).Draw(t, "x"), rapid.IntRange(-1000, 1000).Draw(t, "y"))
	}
	return rapid.SampledFrom([]string{"geometry", "point"}).Draw(t, "geometry"), func(t *rapid.T) string {
		return fmt.Sprintf("ST_GeomFromText('POINT(%s)')", point(t))
	}
}

func drawJSON(*rapid.T, int) (string, drawn) {
	return "json", func(t *rapid.T) string { return literal(Document(t, 3)) }
}

// Document draws a JSON document that nests as deep as given.
func Document(t *rapid.T, depth int) string {
	kinds := 6
	if depth == 0 {
		kinds = 4
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		f := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			f = 0.5
		}
		return strconv.FormatFloat(f, 'e', -1, 64)
	case 1:
		return strconv.FormatFloat(float64(rapid.Int64Range(-1e17, 1e17).Draw(t, "n"))/math.Pow10(rapid.IntRange(0, 20).Draw(t, "scale")), 'g', -1, 64)
	case 2:
		return strconv.FormatInt(rapid.Int64().Draw(t, "int"), 10)
	case 3:
		return quoted(rapid.String().Draw(t, "text"))
	case 4:
		var parts []string
		for range rapid.IntRange(0, 5).Draw(t, "n") {
			parts = append(parts, Document(t, depth-1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	var parts []string
	for range rapid.IntRange(0, 5).Draw(t, "n") {
		parts = append(parts, quoted(rapid.String().Draw(t, "key"))+":"+Document(t, depth-1))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always can
	return string(b)
}
