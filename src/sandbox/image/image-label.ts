/** How images that can run this Oxbow's hands are told from others: by what hands need of them, not by what hands are. */

/** Raised when hands need something that older images lack. */
const imageRecipe = 1

export const appLabel = 'app=oxbow'
/** Hands are mounted when they start, so that an image outlives them; Node must be of the version that they were tried with. */
export const baseLabel: string = `oxbow.base=${imageRecipe}-${process.version}-${process.arch}`
export const imageName = 'localhost/oxbow/hands'
