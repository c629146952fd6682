/** What versions leave out of a walk, as hands judge it: names of the configuration, and repositories in every spelling that git refuses. */

type IsOut = (path: string) => boolean

const repositories = ['.git', 'git~1'].map((name) => `(?i:${name.replace('.', '\\.')})`)

/** @returns whether a path of the workspace is left out of a snapshot */
export function leftOutBy(ignore: readonly string[]): IsOut {
  return anyName([...sourcesOf(ignore), ...repositories])
}

/** @returns whether the configuration leaves it out */
export function ignoredBy(ignore: readonly string[]): IsOut {
  return anyName(sourcesOf(ignore))
}

function sourcesOf(ignore: readonly string[]): readonly string[] {
  return ignore.map((pattern) => pattern.replace(/[\\^$.+?()[\]{}|]/g, '\\$&').replaceAll('*', '.*'))
}

function anyName(sources: readonly string[]): IsOut {
  const isOut = new RegExp(`^(?:${sources.join('|') || '(?!)'})$`, 's')
  return (path) => path.split('/').some((name) => isOut.test(name))
}
