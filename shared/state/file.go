// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// temporaries is the folder in which bodies are written before they get their name.
// No key can reach it, since no segment begins with a dot.
const temporaries = ".tmp"

// File is a Store in a folder, for one machine or a POSIX network file system with
// link(2). A body is written and synced under a temporary name, then linked to its
// key: link(2) fails if the key is taken, so of many processes one wins, and a crash
// leaves a whole object, none, or a temporary file that nobody reads.
type File struct {
	root *os.Root
}

var _ Store = (*File)(nil)

// NewFile opens the store in dir, making the folder if need be, and sweeps out
// temporary files that a crash left more than a day ago.
func NewFile(dir string) (*File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open state folder: %w", err)
	}
	if err := root.Mkdir(temporaries, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, errors.Join(fmt.Errorf("state folder %s is not writable: %w", dir, err), root.Close())
	}
	f := &File{root: root}
	f.sweep(time.Now().Add(-24 * time.Hour))
	return f, nil
}

// sweep is best effort: what it leaves costs space, nothing else.
func (f *File) sweep(before time.Time) {
	entries, err := fs.ReadDir(f.root.FS(), temporaries)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().Before(before) {
			_ = f.root.Remove(path.Join(temporaries, e.Name()))
		}
	}
}

// Create implements Store.
func (f *File) Create(ctx context.Context, key string, body []byte) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	err := f.place(key, body, func(tmp string) error {
		defer func() { _ = f.root.Remove(tmp) }() // the link keeps the body
		return f.root.Link(tmp, key)
	})
	if errors.Is(err, fs.ErrExist) {
		return settleCreate(ctx, f, key, body, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", key, err)
	}
	return nil
}

// Put implements Store.
func (f *File) Put(ctx context.Context, key string, body []byte) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	err := f.place(key, body, func(tmp string) error { return f.root.Rename(tmp, key) })
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// place writes body to a temporary file, syncs it, gives it its name by the given
// call and syncs the folder, without which a power failure could take the name back.
func (f *File) place(key string, body []byte, name func(tmp string) error) error {
	dir := path.Dir(key)
	if err := f.makeFolder(dir); err != nil {
		return err
	}
	tmp := path.Join(temporaries, rand.Text())
	if err := f.write(tmp, body); err != nil {
		_ = f.root.Remove(tmp)
		return err
	}
	if err := name(tmp); err != nil {
		_ = f.root.Remove(tmp)
		return err
	}
	return f.sync(dir)
}

func (f *File) write(name string, body []byte) error {
	file, err := f.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(body)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// makeFolder makes dir and its parents. Each folder's name is synced into its parent
// by whoever finds it, since another process may have made it and not synced yet.
func (f *File) makeFolder(dir string) error {
	if _, err := f.root.Stat(dir); err == nil {
		return nil
	}
	parent := path.Dir(dir)
	if err := f.makeFolder(parent); err != nil {
		return err
	}
	if err := f.root.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.sync(parent)
}

func (f *File) sync(dir string) error {
	folder, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Get implements Store.
func (f *File) Get(ctx context.Context, key string) ([]byte, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	body, err := f.root.ReadFile(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("get %s: %w", key, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return body, nil
}

// Delete implements Store. Folders stay: removing one could race with a Create in it.
func (f *File) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	err := f.root.Remove(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = f.sync(path.Dir(key))
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// List implements Store, one folder at a time.
func (f *File) List(ctx context.Context, prefix, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		w := walk{ctx: ctx, root: f.root.FS(), prefix: prefix, after: after, yield: yield}
		if w.folder(".", "") && ctx.Err() != nil {
			yield("", ctx.Err())
		}
	}
}

// walk visits a folder tree in byte order of whole keys.
type walk struct {
	ctx           context.Context // of the one List call the walk belongs to
	root          fs.FS
	prefix, after string
	yield         func(string, error) bool
}

// folder yields what lies in dir, whose keys begin with base, and reports whether to
// go on. A folder sorts by its name with the slash, as its keys do: "a.b" < "a/b".
func (w *walk) folder(dir, base string) bool {
	entries, err := fs.ReadDir(w.root, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		w.yield("", fmt.Errorf("list %s: %w", base, err))
		return false
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		switch {
		case e.Name()[0] == '.':
		case e.IsDir():
			names = append(names, base+e.Name()+"/")
		default:
			names = append(names, base+e.Name())
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if w.ctx.Err() != nil {
			return true // List reports it
		}
		if !w.entry(name) {
			return false
		}
	}
	return true
}

func (w *walk) entry(name string) bool {
	if !strings.HasSuffix(name, "/") {
		return !strings.HasPrefix(name, w.prefix) || name <= w.after || w.yield(name, nil)
	}
	inside := strings.HasPrefix(name, w.prefix) || strings.HasPrefix(w.prefix, name)
	passed := name < w.after && !strings.HasPrefix(w.after, name)
	if !inside || passed {
		return true
	}
	return w.folder(strings.TrimSuffix(name, "/"), name)
}
