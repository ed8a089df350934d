// The weight of a route that says none.  The lower wins.

/** Weight of a route that names none. */
export const WEIGHT_DEFAULT = 100
