/** How images that can run this Oxbow's hands are told from others: by what hands need of them, not by what hands are. */

/** Raised when hands need something that older images lack. */
const imageRecipe = 1

export const appLabel = 'app=oxbow'
/** Hands are mounted when they start, so that an image outlives them; Node must be of the version that they were tried with. */
export const baseLabel: string = `oxbow.base=${imageRecipe}-${process.version}-${process.arch}`
export const imageName = 'localhost/oxbow/hands'

/** Of an image with Chromium in it: where. */
const browserLabelName = 'oxbow.browser'

export function browserLabel(program: string): string {
  return `${browserLabelName}=${program}`
}

/** @param labels as engines print them: `map[app:oxbow oxbow.browser:/usr/lib/…]`. @returns '' where there is none */
export function browserIn(labels: string): string {
  return new RegExp(`\\b${browserLabelName.replace('.', '\\.')}:(/[\\w./-]+)`).exec(labels)?.[1] ?? ''
}
