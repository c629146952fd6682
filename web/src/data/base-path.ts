/**
 * What stands before every address of the page: the door of a cluster has the page of each user at `/users/NAME/`; everywhere else it is at `/`.
 */
export const basePath: string = /^\/users\/[^/]+/.exec(location.pathname)?.[0] ?? ''

/** @returns where the browser is, as an address within the page, with its search */
export function ownAddress(): string {
  return (location.pathname.slice(basePath.length) || '/') + location.search
}
