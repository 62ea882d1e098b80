package node

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"synergos.app/desktop/backend/fed"
	"synergos.app/desktop/backend/node/view"
	"synergos.app/desktop/backend/service/catalog"
)

// Limits of uploads.
const (
	maxUpload      = int64(64) << 30 // bytes of one file
	maxUploadPart  = 8 << 20
	maxOpenUploads = 16
	uploadLife     = 7 * 24 * time.Hour // of one that is not finished
	maxFolder      = 5000               // entries shown
)

// An upload lives in <home>/uploads/<id>: upload.json says what it is, part grows,
// and the finished file has its own name in data.
const (
	uploadMeta = "upload.json"
	uploadPart = "part"
	uploadData = "data"
)

type uploadInfo struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

func (n *Node) uploadRoot() (*os.Root, error) {
	dir := filepath.Join(n.opts.Home, "uploads")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, noSpace(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, noSpace(err)
	}
	return root, nil
}

func noSpace(err error) error {
	return fed.Errorf(fed.Unavailable, "Check the free space of the disk and that the folder of this party may be written to.", "the upload cannot be written: %w", pathless(err))
}

// pathless drops the path from a file error: it is nobody's business.
func pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// BeginUpload makes room for a file from a browser.
func (n *Node) BeginUpload(ctx context.Context, name string, size int64) (view.Upload, error) {
	if size < 0 || size > maxUpload {
		return view.Upload{}, fed.Errorf(fed.Invalid, "Open the file with the desktop window on the computer that has it.", "the file is larger than the %d GiB that can be uploaded", maxUpload>>30)
	}
	n.data.uploads.Lock()
	defer n.data.uploads.Unlock()
	root, err := n.uploadRoot()
	if err != nil {
		return view.Upload{}, err
	}
	defer root.Close()
	if n.sweepUploads(root) >= maxOpenUploads {
		return view.Upload{}, fed.Errorf(fed.Busy, "Finish one of them first.", "%d uploads are open", maxOpenUploads)
	}
	id, info := newHex(), uploadInfo{Name: safeName(name), Size: size}
	meta, err := stored(info)
	if err == nil {
		err = root.Mkdir(id, 0o700)
	}
	if err == nil {
		err = root.WriteFile(filepath.Join(id, uploadMeta), []byte(meta), 0o600)
	}
	if err == nil {
		err = root.WriteFile(filepath.Join(id, uploadPart), nil, 0o600)
	}
	if err == nil && size == 0 {
		err = finishUpload(root, id, info)
	}
	if err != nil {
		return view.Upload{}, noSpace(err)
	}
	return n.uploadView(root, id)
}

// sweepUploads removes what was begun long ago and never finished, and counts what
// is open.
func (n *Node) sweepUploads(root *os.Root) int {
	dir, err := root.Open(".")
	if err != nil {
		return 0
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(-1)
	open := 0
	for _, e := range entries {
		info, err := root.Stat(filepath.Join(e.Name(), uploadPart))
		switch {
		case err != nil || !fed.ValidHexID(e.Name()):
		case n.opts.Now().Sub(info.ModTime()) > uploadLife:
			_ = root.RemoveAll(e.Name()) // tried again next time
		default:
			open++
		}
	}
	return open
}

// safeName makes a file name of what a browser says: the last element, without
// control or hidden characters, leading dots and names that a system reserves.
func safeName(name string) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = catalog.Clean(name, 200)
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"|?*`, r) || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, strings.TrimLeft(name, ". "))
	name = strings.TrimRight(name, ". ")
	ext := filepath.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	if len(ext) > 16 {
		stem, ext = name, ""
	}
	stem = strings.TrimRight(stem, ". ")
	for len(stem) > 100 {
		r := []rune(stem)
		stem = string(r[:len(r)-1])
	}
	switch first, _, _ := strings.Cut(strings.ToUpper(stem), "."); {
	case stem == "":
		stem = "upload"
	case slices.Contains([]string{"CON", "PRN", "AUX", "NUL"}, first), len(first) == 4 && (strings.HasPrefix(first, "COM") || strings.HasPrefix(first, "LPT")):
		stem = "_" + stem
	}
	return stem + ext
}

// WriteUpload writes the next part of an upload. A part that is here already is
// taken as a repetition; one that leaves a gap is refused with the place to go on.
func (n *Node) WriteUpload(ctx context.Context, id string, offset int64, part []byte) (view.Upload, error) {
	n.data.uploads.Lock()
	defer n.data.uploads.Unlock()
	root, err := n.uploadRoot()
	if err != nil {
		return view.Upload{}, err
	}
	defer root.Close()
	v, err := n.uploadView(root, id)
	if err != nil {
		return view.Upload{}, err
	}
	end := offset + int64(len(part))
	switch {
	case len(part) > maxUploadPart:
		return v, fed.Errorf(fed.Invalid, "Send smaller parts.", "the part has %d bytes of at most %d", len(part), maxUploadPart)
	case offset < 0 || end < offset || end > v.Size:
		return v, fed.Errorf(fed.Invalid, "Begin the upload again with the right size.", "the part ends after the %d bytes of the file", v.Size)
	case end <= v.Offset:
		return v, nil
	case offset != v.Offset:
		return v, fed.Errorf(fed.Exists, "Ask how far the upload is and go on from there.", "the next part of the upload begins at byte %d, not at %d", v.Offset, offset)
	}
	if err := appendUpload(root, id, offset, part); err != nil {
		return v, noSpace(err)
	}
	if end == v.Size {
		if err := finishUpload(root, id, uploadInfo{Name: v.Name, Size: v.Size}); err != nil {
			return v, noSpace(err)
		}
	}
	return n.uploadView(root, id)
}

func appendUpload(root *os.Root, id string, offset int64, part []byte) error {
	f, err := root.OpenFile(filepath.Join(id, uploadPart), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(part, offset)
	return errors.Join(err, f.Close())
}

// finishUpload syncs the file and gives it its name.
func finishUpload(root *os.Root, id string, info uploadInfo) error {
	f, err := root.OpenFile(filepath.Join(id, uploadPart), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := root.Mkdir(filepath.Join(id, uploadData), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return root.Rename(filepath.Join(id, uploadPart), filepath.Join(id, uploadData, info.Name))
}

// Upload returns how far an upload is; its offset survives a restart.
func (n *Node) Upload(_ context.Context, id string) (view.Upload, error) {
	n.data.uploads.Lock()
	defer n.data.uploads.Unlock()
	root, err := n.uploadRoot()
	if err != nil {
		return view.Upload{}, err
	}
	defer root.Close()
	return n.uploadView(root, id)
}

func (n *Node) uploadView(root *os.Root, id string) (view.Upload, error) {
	unknown := fed.Errorf(fed.NotFound, "Begin the upload again.", "there is no such upload")
	if !fed.ValidHexID(id) {
		return view.Upload{}, unknown
	}
	raw, err := root.ReadFile(filepath.Join(id, uploadMeta))
	var info uploadInfo
	if err != nil || json.Unmarshal(raw, &info) != nil || info.Name != safeName(info.Name) {
		return view.Upload{}, unknown
	}
	v := view.Upload{ID: id, Name: info.Name, Size: info.Size}
	if part, err := root.Stat(filepath.Join(id, uploadPart)); err == nil {
		v.Offset = part.Size()
		return v, nil
	}
	done := filepath.Join(id, uploadData, info.Name)
	if _, err := root.Stat(done); err != nil {
		return view.Upload{}, unknown
	}
	v.Offset, v.Path = info.Size, filepath.Join(resolved(n.opts.Home), "uploads", done)
	return v, nil
}

// Folder lists a folder below one of the roots that the operator allowed; "" lists
// the roots.
func (n *Node) Folder(_ context.Context, path string) (view.Folder, error) {
	v := view.Folder{Entries: []view.FolderItem{}}
	if path == "" {
		for _, r := range n.opts.DataRoots {
			r = resolved(r)
			v.Entries = append(v.Entries, view.FolderItem{Name: filepath.Base(r), Path: r, Dir: true})
		}
		return v, nil
	}
	for _, r := range n.opts.DataRoots {
		r = resolved(r)
		if rel, err := filepath.Rel(r, path); filepath.IsAbs(path) && err == nil && filepath.IsLocal(rel) {
			return listFolder(r, rel)
		}
	}
	return v, fed.Errorf(fed.Permission, "Choose a folder below one that was allowed with --data-root, or upload the file.", "the folder is outside those that may be read")
}

func listFolder(top, rel string) (view.Folder, error) {
	v := view.Folder{Path: filepath.Join(top, rel), Entries: []view.FolderItem{}}
	if rel != "." {
		v.Parent = filepath.Dir(v.Path)
	}
	gone := func(err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return fed.Errorf(fed.NotFound, "Go back to the folder above.", "the folder is not there")
		}
		return fed.Errorf(fed.Permission, "Choose another folder.", "the folder cannot be listed: %w", pathless(err))
	}
	root, err := os.OpenRoot(top)
	if err != nil {
		return v, gone(err)
	}
	defer root.Close()
	dir, err := root.Open(rel)
	if err != nil {
		return v, gone(err)
	}
	defer dir.Close()
	if info, err := dir.Stat(); err != nil || !info.IsDir() {
		return v, fed.Errorf(fed.Invalid, "Choose a folder.", "this is not a folder")
	}
	entries, err := dir.ReadDir(maxFolder)
	if err != nil && len(entries) == 0 && !errors.Is(err, io.EOF) {
		return v, gone(err)
	}
	for _, e := range entries {
		// Stat within the root: a link that leads out of it is not shown.
		info, err := root.Stat(filepath.Join(rel, e.Name()))
		if err != nil || strings.HasPrefix(e.Name(), ".") || !info.IsDir() && !info.Mode().IsRegular() {
			continue
		}
		item := view.FolderItem{Name: e.Name(), Path: filepath.Join(v.Path, e.Name()), Dir: info.IsDir()}
		if !item.Dir {
			item.Bytes = info.Size()
		}
		v.Entries = append(v.Entries, item)
	}
	slices.SortFunc(v.Entries, func(a, b view.FolderItem) int {
		if a.Dir != b.Dir {
			return fromBool(b.Dir) - fromBool(a.Dir)
		}
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return v, nil
}
