/** What hands know of a whole folder at once, for a host that keeps a copy of it. */
export interface SurveyOps {
  /**
   * Everything below a folder, folders before what is in them; links are not followed. `stamp` changes with every change of an
   * entry, and is only good for comparing. A folder that cannot be read is `closed`: what is in it is not here, and not gone.
   */
  survey: {
    input: { path: string; maxEntries: number }
    output: { entries: SurveyedEntry[]; truncated: boolean }
  }
}

/** `path` is relative to the folder; `target` is where a link leads, '' for others. */
export interface SurveyedEntry {
  path: string
  kind: 'file' | 'folder' | 'closed' | 'link' | 'other'
  bytes: number
  executable: boolean
  modifiedMs: number
  stamp: string
  target: string
}
