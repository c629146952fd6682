/** Links in folders that somebody else has filled. */

/**
 * Whether a link cannot lead out of its folder, whatever links are in its path: `..` after a name could climb from where another link leads, so it
 * may stand only at the beginning, where it climbs through real folders.
 * @param path of the link, relative to the folder, in which no part is a link
 */
export function staysInside(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false
  const parts = target.split('/').filter((part) => part !== '' && part !== '.')
  const down = parts.findIndex((part) => part !== '..')
  const ups = down === -1 ? parts.length : down
  return ups <= path.split('/').length - 1 && !parts.slice(ups).includes('..')
}
