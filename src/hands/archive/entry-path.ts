/**
 * Where an entry of an archive may go, and where a link in it may lead: never out of the folder. For a link that means more than
 * its text: `..` after a name could leave through another link on the way, so it may stand only at the beginning, where it
 * goes up through folders that are real.
 */
import { posix } from 'node:path'
import { failed } from '../failure.ts'
import { maxDepth, maxPathBytes } from '../limits.ts'

/** @returns the path below the folder, '' for the folder itself. @throws the failure `path_refused` */
export function entryPath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (posix.isAbsolute(name)) throw refused(name, 'its path is absolute')
  if (parts.includes('..')) throw refused(name, 'its path leads upwards')
  if (parts.length > maxDepth || Buffer.byteLength(name) > maxPathBytes) throw refused(name, 'its path is too long')
  return parts.join('/')
}

/** @param at path of the link, as entryPath gives it. @throws the failure `path_refused` when it could lead out of the folder */
export function checkLinkTarget(at: string, target: string): void {
  const parts = target.split('/').filter((part) => part !== '' && part !== '.')
  const upwards = parts.findIndex((part) => part !== '..')
  const ups = upwards === -1 ? parts.length : upwards
  const depth = at.split('/').length - 1
  if (target === '' || Buffer.byteLength(target) > maxPathBytes) throw refused(at, 'it is a link that cannot be')
  if (posix.isAbsolute(target) || ups > depth || parts.slice(ups).includes('..'))
    throw refused(at, 'it is a link that leads out of the folder')
}

export function refused(name: string, why: string): Error {
  return failed(
    'path_refused',
    `The archive cannot be unpacked: ${name} is refused, ${why}. Nothing was unpacked.`,
    'Pack it without that.',
  )
}
