package fed

import (
	"math"
	"testing"
)

func TestCountedNouns(t *testing.T) {
	for want, got := range map[string]string{
		"0 rows": Count(0, "row"), "1 row": Count(1, "row"), "2 rows": Count(int64(2), "row"), "1,000 entries": Count(1000, "entry"),
		"1 entry": Count(1, "entry"), "2 parties": Count(2, "party"), "3 days": Count(3, "day"), "4 classes": Count(4, "class"), "-1,234,567 rows": Count(-1234567, "row"),
		"is": OneOr(1, "is", "are"), "are": OneOr(0, "is", "are"), "999": Grouped(999), "-999": Grouped(-999),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestMoneyIsExact(t *testing.T) {
	for want, got := range map[string]string{
		"1,000.00 EUR": Money(100_000, "EUR"), "-0.05 EUR": Money(-5, "EUR"), "0.00": Money(0, ""), "90,071,992,547,409.93 CHF": Money(1<<53+1, "CHF"),
		"-92,233,720,368,547,758.08": Money(math.MinInt64, ""),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
