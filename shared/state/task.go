// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"slipway/shared/change"
)

// Task names the objects of one task in a store. Its methods only compute keys; they
// read and write nothing.
type Task struct {
	// Store holds the objects.
	Store Store
	// Name is the task's name and its folder in the store.
	Name string
}

// NewTask returns the task of that name. The name must be a valid key segment; task
// files allow [a-z0-9-]{1,40}.
func NewTask(s Store, name string) (*Task, error) {
	if err := CheckKey(name); err != nil || strings.Contains(name, "/") || strings.HasPrefix(name, "_") {
		return nil, fmt.Errorf("task name %q: want 1 to 40 of a-z, 0-9 and -", name)
	}
	return &Task{Store: s, Name: name}, nil
}

// TableKey is a table's name as it stands in keys; make it with [Table].
type TableKey string

// tableKeyLimit leaves room for the rest of the key in a segment of 255 bytes.
const tableKeyLimit = 180

// Table returns the key form of a table's name: database and table, each with every
// byte but letters, digits, _ and - percent-encoded, joined by a dot. Distinct tables
// have distinct keys. Beyond 180 bytes, which takes long names in other scripts, the
// rest is replaced by ~ and a hash; objects therefore name their table inside too.
func Table(database, table string) TableKey {
	full := encode(database) + "." + encode(table)
	if len(full) <= tableKeyLimit {
		return TableKey(full)
	}
	sum := sha256.Sum256([]byte(full))
	return TableKey(full[:tableKeyLimit-33] + "~" + hex.EncodeToString(sum[:16]))
}

// TableOf is Table for a table's full name.
func TableOf(n change.TableName) TableKey { return Table(n.Database, n.Name) }

func encode(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// number gives numbers a width, so that byte order is number order.
func number(n int64) string { return fmt.Sprintf("%020d", n) }

func (t *Task) key(parts ...string) string { return t.Name + "/" + strings.Join(parts, "/") }

// TaskFile is where the task file is kept as submitted, its secrets still as ${ENV}.
func (t *Task) TaskFile() string { return t.key("task.yaml") }

// Precheck is the last precheck report. It is Put, not created.
func (t *Task) Precheck() string { return t.key("precheck.json") }

// Status is the heartbeat with the chain's hint. It is Put, not created.
func (t *Task) Status() string { return t.key("status.json") }

// Plan is the first generation's plan.
func (t *Task) Plan() string { return t.key("plan.json") }

// PlanPage is page number page, from 1 on, of the tables that joined the plan later.
func (t *Task) PlanPage(page int) string { return t.key("plan", number(int64(page))+".json") }

// Chunks is the prefix of all chunk objects of a table, whatever the generation.
func (t *Task) Chunks(table TableKey) string { return t.key("chunks", string(table)) + "/" }

// Generation is the prefix of the chunk objects of one generation of a table.
func (t *Task) Generation(table TableKey, gen int64) string {
	return t.Chunks(table) + strconv.FormatInt(gen, 10) + "/"
}

// GenerationPlan is the plan of one table's later generation: B, bounds, definition.
func (t *Task) GenerationPlan(table TableKey, gen int64) string {
	return t.Generation(table, gen) + "plan.json"
}

// ChunkRows is where a chunk's encoded messages are kept from before the first is
// sent until the seal (S3). The name is the chunk's number, or n+k for its rest.
func (t *Task) ChunkRows(table TableKey, gen int64, name string) string {
	return t.Generation(table, gen) + name + ".rows"
}

// ChunkDone is a chunk's result; it exists once all its messages are acknowledged.
func (t *Task) ChunkDone(table TableKey, gen int64, name string) string {
	return t.Generation(table, gen) + name + ".done.json"
}

// Void says, by existing, that this generation of the table must be read again (S4).
func (t *Task) Void(table TableKey, gen int64) string { return t.Generation(table, gen) + "void.json" }

// Worker records the deadline of one snapshot invocation (S10).
func (t *Task) Worker(id string) string { return t.key("workers", id+".json") }

// Workers is the prefix of all worker objects.
func (t *Task) Workers() string { return t.key("workers") + "/" }

// Seam is what settle seals for the tail: a table's bounds and watermarks in one
// generation. Page counts from 1.
func (t *Task) Seam(table TableKey, gen int64, page int) string {
	return t.Seams(table) + strconv.FormatInt(gen, 10) + "/" + number(int64(page)) + ".json"
}

// Seams is the prefix of a table's seam objects.
func (t *Task) Seams(table TableKey) string { return t.key("seam", string(table)) + "/" }

// Checkpoint is number n of the chain.
func (t *Task) Checkpoint(n int64) string { return t.Checkpoints() + number(n) + ".json" }

// Checkpoints is the prefix of the chain.
func (t *Task) Checkpoints() string { return t.key("checkpoints") + "/" }

// Control is number n of the operator's orders: pause, resume, stop, limits, rewind.
func (t *Task) Control(n int64) string { return t.Controls() + number(n) + ".json" }

// Controls is the prefix of the operator's orders.
func (t *Task) Controls() string { return t.key("control") + "/" }

// SchemaAt is the table definitions as of sequence number seq, told from others of
// that number by a digest of what it holds.
func (t *Task) SchemaAt(seq int64, digest string) string {
	return t.Schemas() + number(seq) + "-" + digest + ".json"
}

// Schemas is the prefix of the table definitions.
func (t *Task) Schemas() string { return t.key("schema") + "/" }

// XA is part number part, from 1 on, of the spilled rows of a prepared XA transaction
// (S5), named by its PREPARE's GTID: an xid can be used again, a GTID can't.
func (t *Task) XA(gtid string, part int) string {
	return t.key("xa", encode(gtid), number(int64(part))+".rows")
}

// Large is a claim-checked body, named by the hex form of its SHA-256.
func (t *Task) Large(digest string) string { return t.key("large", digest) }

// ErrUnreadable says that an object holds something else than what belongs there.
var ErrUnreadable = errors.New("the object is damaged")

// CreateJSON creates key with v as JSON; its errors are those of Store.Create.
func CreateJSON(ctx context.Context, s Store, key string, v any) error {
	body, err := encodeJSON(key, v)
	if err != nil {
		return err
	}
	return s.Create(ctx, key, body)
}

// PutJSON puts v as JSON under key, which must be one of the two that may change.
func PutJSON(ctx context.Context, s Store, key string, v any) error {
	body, err := encodeJSON(key, v)
	if err != nil {
		return err
	}
	return s.Put(ctx, key, body)
}

// GetJSON reads the object at key into a new T. Fields that T lacks are skipped, so
// that older programs read what newer ones of the same version have written. It
// returns ErrNotFound when the key holds nothing.
func GetJSON[T any](ctx context.Context, s Store, key string) (T, error) {
	var v T
	body, err := s.Get(ctx, key)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("read %s: %w: %w", key, ErrUnreadable, err)
	}
	return v, nil
}

func encodeJSON(key string, v any) ([]byte, error) {
	body, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", key, err)
	}
	return append(body, '\n'), nil
}
