/** What hands do with folders as a whole: out as a tar archive, and in from one, both in pieces. `transfer` is a name that the caller makes up. */
export interface ArchiveOps {
  /**
   * Of a folder, in ustar with pax headers; names are relative to it. Each piece is asked for with the `offset` where the one
   * before ended. `skipped` counts what an archive cannot bring elsewhere: devices, sockets, what cannot be read. An archive that
   * is not asked on for a minute is forgotten.
   */
  archive: {
    input: { path: string; transfer: string; offset: number; maxBytes: number }
    output: { content: Uint8Array; done: boolean; skipped: number }
  }
  /**
   * Into a folder, which is made or added to. Nothing of it shows before the `last` piece, and nothing at all when any of it is
   * refused: paths and links that leave the folder, devices, setuid bits, more than there may be. Only `overwrite` replaces files.
   */
  unpack: {
    input: { path: string; transfer: string; offset: number; content: Uint8Array; last: boolean; overwrite: boolean }
    output: { bytes: number; files: number; folders: number; links: number }
  }
}
