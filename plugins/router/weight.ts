// What a route says of itself among others of its destination.  Of weights the lower wins; routes
// of one weight share the flows by their shares.

/** Weight of a route that names none. */
export const WEIGHT_DEFAULT = 100
/** The largest share a route may have; one that names none has 1. */
export const SHARE_MAX = 65_535
