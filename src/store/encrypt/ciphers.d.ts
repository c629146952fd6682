/** The build of SQLite that encrypts has the interface of the usual one, and its own types are not where its exports say. */
declare module 'better-sqlite3-multiple-ciphers' {
  import Sqlite from 'better-sqlite3'
  export default Sqlite
}
