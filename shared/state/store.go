// SPDX-License-Identifier: Apache-2.0

// Package state keeps everything of a task that must outlive a process: small
// objects in a bucket or a folder, and the chain of checkpoints that says how far
// the task has come and who may send.
//
// The package keeps two invariants. An object, once created, never changes
// (status.json and precheck.json apart); the one primitive every store offers for
// that is create-if-absent (rule C1). And of all processes that want to move one
// task, at most one holds a valid lease on its chain at any moment (rules C2 to C4).
//
// Callers create objects and read them back; they never rename, append or lock.
// What the objects mean is the business of the packages that write them, except for
// the checkpoints, which are explained at [Chain].
package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Errors every Store reports, wrapped with the key they are about.
var (
	// ErrExists says that the key holds another body than the one to be created.
	ErrExists = errors.New("object exists with other content")
	// ErrNotFound says that the key holds nothing.
	ErrNotFound = errors.New("object not found")
	// ErrBadKey says that a key is not a relative path of plain ASCII segments.
	ErrBadKey = errors.New("malformed object key")
)

// Store holds objects by key. Keys are relative, slash-separated paths; see
// [CheckKey]. All methods are safe for concurrent use by many processes and stop
// early when ctx ends. Bodies must not be changed by the caller during a call.
type Store interface {
	// Create stores body under key if the key is free, durably before it returns.
	// It returns nil also when the key already holds exactly this body, so that a
	// caller whose answer got lost may call again: distinct writers must therefore
	// write distinct bodies, for example by putting a nonce into them. It returns
	// ErrExists when the key holds another body. Any other error leaves open
	// whether the body was stored or will be, even later.
	Create(ctx context.Context, key string, body []byte) error

	// Put stores body under key whatever was there. Readers see the old body or
	// the new one, never a mixture. Only status.json and precheck.json are Put.
	Put(ctx context.Context, key string, body []byte) error

	// Get returns the body stored under key, or ErrNotFound. A Get that starts
	// after a Create or Put has returned sees its body.
	Get(ctx context.Context, key string) ([]byte, error)

	// List yields the keys that begin with prefix and come strictly after the key
	// after ("" for all), in byte order, fetching them page by page. An error ends
	// the sequence, as its last element. Keys that appear or vanish meanwhile may
	// or may not be seen.
	List(ctx context.Context, prefix, after string) iter.Seq2[string, error]

	// Delete removes the key. A key that holds nothing is no error.
	Delete(ctx context.Context, key string) error
}

// keyLimit and segmentLimit are what all stores can take: S3 and OSS bound the key,
// file systems the segment.
const (
	keyLimit     = 1000
	segmentLimit = 255
)

// CheckKey returns ErrBadKey, with the reason, unless key is a path of one or more
// segments of ASCII letters, digits and "._-~%+=@,". A segment is not empty, has at
// most 255 bytes and does not begin with a dot: so no key can leave a store's folder
// or meet its temporary files.
func CheckKey(key string) error {
	if len(key) > keyLimit {
		return fmt.Errorf("%w: %.40q… is longer than %d bytes", ErrBadKey, key, keyLimit)
	}
	for segment := range strings.SplitSeq(key, "/") {
		switch {
		case segment == "":
			return fmt.Errorf("%w: %q has an empty segment", ErrBadKey, key)
		case segment[0] == '.':
			return fmt.Errorf("%w: %q has a segment that begins with a dot", ErrBadKey, key)
		case len(segment) > segmentLimit:
			return fmt.Errorf("%w: %q has a segment longer than %d bytes", ErrBadKey, key, segmentLimit)
		}
		if i := strings.IndexFunc(segment, func(r rune) bool { return !keyRune(r) }); i >= 0 {
			return fmt.Errorf("%w: %q contains %q", ErrBadKey, key, segment[i])
		}
	}
	return nil
}

func keyRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		strings.ContainsRune("._-~%+=@,", r)
}

// begin is what every operation checks first: a live context and a sound key.
func begin(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return CheckKey(key)
}

// settleTries and settlePause bound the wait for an object that is said to be there.
const (
	settleTries = 10
	settlePause = 50 * time.Millisecond
)

// settleCreate decides a create whose answer was "exists" or unclear by reading the
// key back (C1): a retried PUT collides with itself, and then the stored body is
// ours. Only a body that was read and differs makes it ErrExists; what cannot be
// learnt stays unclear, whatever the cause says. A key that is taken may show a moment
// later: versitygw refuses a second writer before the first one's object is in place.
func settleCreate(ctx context.Context, s Store, key string, body []byte, cause error) error {
	stored, err := s.Get(ctx, key)
	for try := 0; try < settleTries && errors.Is(cause, ErrExists) && errors.Is(err, ErrNotFound); try++ {
		if pause(ctx, settlePause) != nil {
			break
		}
		stored, err = s.Get(ctx, key)
	}
	switch {
	case err == nil && bytes.Equal(stored, body):
		return nil
	case err == nil:
		return fmt.Errorf("create %s: %w", key, ErrExists)
	case errors.Is(cause, ErrExists):
		return fmt.Errorf("create %s: the store says the key is taken, but reading it back: %w", key, err)
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("create %s: %w", key, cause)
	}
	return fmt.Errorf("create %s: %w; reading it back fails, too", key, cause)
}
