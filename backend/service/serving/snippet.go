package serving

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// CertificateFile is the name under which people keep the certificate.
const CertificateFile = "synergos-serving.pem"

// Snippets returns calls of the server for curl and Python with a sample row of
// typical values. The token stands as $TOKEN. When other computers may call, both
// trust the certificate in [CertificateFile].
func Snippets(s Status) (curl, python string) {
	row := map[string]any{}
	for _, f := range s.Info.Fields {
		if v := sample(f); v != nil {
			row[f.Name] = v
		}
	}
	body, err := json.Marshal(map[string]any{"rows": []any{row}})
	if err != nil {
		return "", ""
	}
	url := s.Address + "/predict/" + s.Info.Model
	trust, context := "", ""
	if s.Exposed {
		trust = " --cacert " + CertificateFile
		context = fmt.Sprintf(", context=ssl.create_default_context(cafile=%q)", CertificateFile)
	}
	curl = fmt.Sprintf("curl -s%s %s \\\n  -H \"Authorization: Bearer $TOKEN\" \\\n  -H 'Content-Type: application/json' \\\n  -d '%s'",
		trust, url, strings.ReplaceAll(string(body), "'", `'\''`))
	python = fmt.Sprintf("import json, os, ssl, urllib.request\n\nrequest = urllib.request.Request(\n    %q,\n    data=json.dumps(json.loads(%s)).encode(),\n    headers={\"Authorization\": \"Bearer \" + os.environ[\"TOKEN\"], \"Content-Type\": \"application/json\"},\n)\nprint(json.load(urllib.request.urlopen(request%s)))",
		url, strconv.QuoteToASCII(string(body)), context)
	return curl, python
}

// sample is a typical value of a column, nil when none is published.
func sample(f Field) any {
	if f.Kind == Category {
		if f.Typical == "" && len(f.Values) > 0 {
			return f.Values[0]
		}
		if f.Typical == "" {
			return nil
		}
		return f.Typical
	}
	if v, err := strconv.ParseFloat(f.Typical, 64); err == nil && f.Type == "bool" {
		return v != 0
	} else if err == nil && v-v == 0 {
		return v
	}
	if f.Low.Finite() && f.High.Finite() && f.Type != "date" {
		return float64(f.Low+f.High) / 2
	}
	if f.Typical != "" {
		return f.Typical
	}
	return nil
}
