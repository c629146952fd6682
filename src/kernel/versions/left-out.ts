/**
 * What versions leave out of a walk, as hands judge it: names of the configuration, and repositories in every spelling that git refuses. And
 * what a command line may remove with a repository in it, so that it has a version from before; what a script or a variable removes is not
 * seen.
 */
import { posix } from 'node:path'
import { maxRemovedNames } from '../limits.ts'

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

const removers = /(?:^|[\s;&|(`'"/])(?:rm|mv|find|rsync|unlink|shred)\s/
const separators = /[\s;&|()<>`'"=]+/
const wildcards = /[*?[{$~\\]/

/**
 * @param command a line of a shell, or a program with its arguments
 * @param cwd folder in which the command starts
 * @returns whole paths, as they are named; none if nothing in it removes files
 */
export function removedNames(command: string | readonly string[], cwd: string): readonly string[] {
  const line = typeof command === 'string' ? command : command.join(' ')
  if (!removers.test(line)) return []
  // An argument of a program is a name as it is, blanks too; it can also be a script.
  const whole = typeof command === 'string' ? [] : command
  const words = [...whole, ...line.split(separators)].filter((word) => word !== '' && !word.startsWith('-'))
  const bases = [posix.resolve('/shared', cwd)]
  for (const [at, word] of words.entries())
    if (word === 'cd' && words[at + 1] !== undefined) bases.push(posix.resolve(bases.at(-1)!, words[at + 1]!))
  const named = words.flatMap((word) => {
    const wild = wildcards.exec(word)
    // Of a pattern, all in its folder.
    const sure = wild === null ? word : `./${word.slice(0, word.lastIndexOf('/', wild.index) + 1)}`
    return bases.map((base) => posix.resolve(base, sure))
  })
  return [...new Set(named)].filter((path) => path === '/shared' || path.startsWith('/shared/')).slice(0, maxRemovedNames)
}
