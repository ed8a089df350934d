// The weight of a route that says none.  The lower wins.

export const WEIGHT_DEFAULT = 100
