/** Test files that take more than ten seconds alone on two cores, each with its reason. `npm test` prints it beside the ten slowest. */
export const slowFiles: Readonly<Record<string, string>> = {}
