/** Tar archives, read strictly and written: for the workspace, backups and packages. */
export { archiveEnd, encodeHeader, encodeRecord, entryHeader, padding, type TarHeader } from './tar-header.ts'
export { createTarReader, readEntries, type TarEntry, type TarEvent, type TarFile, type TarReader } from './tar-reader.ts'
