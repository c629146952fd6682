/** As in package.json, which a test holds to it: a constant costs the start nothing. */
export const version = '0.1.0'
