/**
 * Reads the texts of tools back into facts. They are written for a model, so they are read loosely: a text that is not
 * understood gives nothing, never something wrong.
 */

export interface ListedEntry {
  readonly path: string
  readonly folder: boolean
  /** Null when the listing does not say. */
  readonly bytes: number | null
}

/** Lines of `file_list`: `folder/`, `name  12 bytes`, `name  (link)`, below a line that names the folder. */
export function readListing(text: string, base: string): readonly ListedEntry[] {
  return text.split('\n').flatMap((line): readonly ListedEntry[] => {
    const folder = /^(?!\[)(.+)\/$/.exec(line)
    if (folder !== null) return [{ path: under(base, folder[1] ?? ''), folder: true, bytes: null }]
    const file = /^(.+) {2}(\d+) bytes?$/.exec(line)
    return file === null ? [] : [{ path: under(base, file[1] ?? ''), folder: false, bytes: Number(file[2]) }]
  })
}

function under(base: string, name: string): string {
  return name.startsWith('/') ? name : `${base.replace(/\/$/, '')}/${name}`
}

/** How many lines the file has, when the text says that it is a part; null when it is the whole. */
export function readTotalLines(text: string): number | null {
  const found = /\[Lines \d+ to \d+ of (\d+)\. Continue/.exec(text)
  return found === null ? null : Number(found[1])
}

export interface NumberedLine {
  readonly number: number
  readonly text: string
}

/** Lines of `file_read`: `   12<tab>content`; all other lines are the tool's own words. */
export function readNumbered(text: string): readonly NumberedLine[] {
  return text.split('\n').flatMap((line) => {
    const found = /^ *(\d+)\t(.*)$/s.exec(line)
    return found === null ? [] : [{ number: Number(found[1]), text: found[2] ?? '' }]
  })
}
