// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"

	"slipway/shared/fault"
)

// Classify gives an error of a store or a chain its class and remedy; nil, an
// ended context and what is classified already stay as they are.
func Classify(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	switch {
	case errors.Is(err, ErrHeld), errors.Is(err, ErrFenced), errors.Is(err, ErrStaleEpoch):
		return fault.New(fault.Locked, "let the other process end, or stop it", "%w", err)
	case errors.Is(err, ErrLeaseLost):
		return fault.New(fault.Locked, "look at the state store's answer times, and whether this process was stopped or starved", "%w", err)
	case errors.Is(err, ErrNoChain):
		return fault.New(fault.CheckpointUnusable, "run the workflow from its start: slipway run TASK.yaml", "%w", err)
	case errors.Is(err, ErrVersion):
		return fault.New(fault.CheckpointUnusable, "upgrade slipway", "%w", err)
	case errors.Is(err, ErrUnreadable):
		return fault.New(fault.CheckpointUnusable, "restore the object from a backup of the bucket, or start the task under a new name", "%w", err)
	case errors.Is(err, ErrInvalid):
		return fault.New(fault.Internal, "report this as a bug", "%w", err)
	}
	remedy := "check the state store's URL and credentials"
	if r, ok := errors.AsType[*refusal](err); ok {
		remedy = r.remedy
	}
	return fault.New(fault.StoreUnreachable, remedy, "state store: %w", err)
}
