package api

import (
	"reflect"
	"sync"
	"time"
)

// whole returns v with an empty list or object in place of every nil slice or
// map, at any depth, because clients are promised that neither is ever null. It
// copies what it changes: memory that v shares with the engine stays untouched.
func whole[T any](v T) T {
	out, changed := mend(reflect.ValueOf(&v).Elem())
	if !changed {
		return v
	}
	return out.Interface().(T)
}

// mend returns v, or a copy without nil slices and maps and true.
func mend(v reflect.Value) (reflect.Value, bool) {
	if !holdsLists(v.Type()) {
		return v, false
	}
	switch v.Kind() {
	case reflect.Slice:
		return mendSlice(v)
	case reflect.Map:
		return mendMap(v)
	case reflect.Pointer:
		return mendPointer(v)
	case reflect.Struct:
		return mendStruct(v)
	}
	return v, false
}

func mendSlice(v reflect.Value) (reflect.Value, bool) {
	if v.IsNil() {
		return reflect.MakeSlice(v.Type(), 0, 0), true
	}
	if !holdsLists(v.Type().Elem()) {
		return v, false
	}
	var out reflect.Value
	for i := range v.Len() {
		e, changed := mend(v.Index(i))
		if !changed {
			continue
		}
		if !out.IsValid() {
			out = reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(out, v)
		}
		out.Index(i).Set(e)
	}
	if out.IsValid() {
		return out, true
	}
	return v, false
}

func mendMap(v reflect.Value) (reflect.Value, bool) {
	if !v.IsNil() && !holdsLists(v.Type().Elem()) {
		return v, false
	}
	out := reflect.MakeMapWithSize(v.Type(), v.Len())
	changed := v.IsNil()
	for it := v.MapRange(); it.Next(); {
		e, c := mend(it.Value())
		out.SetMapIndex(it.Key(), e)
		changed = changed || c
	}
	return out, changed
}

func mendPointer(v reflect.Value) (reflect.Value, bool) {
	if v.IsNil() {
		return v, false
	}
	e, changed := mend(v.Elem())
	if !changed {
		return v, false
	}
	out := reflect.New(v.Type().Elem())
	out.Elem().Set(e)
	return out, true
}

func mendStruct(v reflect.Value) (reflect.Value, bool) {
	var out reflect.Value
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		f, changed := mend(v.Field(i))
		if !changed {
			continue
		}
		if !out.IsValid() {
			out = reflect.New(v.Type()).Elem()
			out.Set(v)
		}
		out.Field(i).Set(f)
	}
	if out.IsValid() {
		return out, true
	}
	return v, false
}

var listHolders sync.Map // reflect.Type -> bool

// holdsLists reports whether a value of type t can have a slice or map inside.
// Interfaces count as leaves: only Dimension values and prediction rows are any.
func holdsLists(t reflect.Type) bool {
	if known, ok := listHolders.Load(t); ok {
		return known.(bool)
	}
	holds := findLists(t, map[reflect.Type]bool{})
	listHolders.Store(t, holds)
	return holds
}

func findLists(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || t == reflect.TypeFor[time.Time]() {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		return true
	case reflect.Pointer, reflect.Array:
		return findLists(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && findLists(f.Type, seen) {
				return true
			}
		}
	}
	return false
}
