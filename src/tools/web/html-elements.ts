/** What the elements of HTML mean for reading text. */

const set = (names: string): ReadonlySet<string> => new Set(names.split(' '))

/** Nothing in them is text of the page. */
export const unread: ReadonlySet<string> = set(
  'script style noscript template svg iframe object canvas audio video select datalist dialog frameset map',
)
/** Around the page's own text, on every page of a site. Left out unless nothing else is there. */
export const surroundings: ReadonlySet<string> = set('nav footer aside')

/** Have no content, so that nothing ends them. */
export const empty: ReadonlySet<string> = set('area base br col embed hr img input link meta param source track wbr')

/** Their end may be left out: the next of the same name ends them. */
export const endedBySibling: ReadonlySet<string> = set('p li dt dd tr td th thead tbody tfoot option optgroup rt rp')

/** Begin and end a paragraph. */
export const paragraphs: ReadonlySet<string> = set(
  'p div section article main header footer nav aside address figure figcaption blockquote ul ol dl table form fieldset details summary h1 h2 h3 h4 h5 h6 hgroup pre center body',
)
/** Begin and end a line. */
export const lines: ReadonlySet<string> = set('li dt dd tr legend caption option label')

/** Marks of Markdown around words. */
export const emphasis: Readonly<Record<string, string>> = {
  b: '**',
  strong: '**',
  i: '*',
  em: '*',
  code: '`',
  kbd: '`',
  samp: '`',
  del: '~~',
  s: '~~',
}

export const headings: Readonly<Record<string, string>> = { h1: '#', h2: '##', h3: '###', h4: '####', h5: '#####', h6: '######' }

export type Attributes = ReadonlyMap<string, string>

/** What a browser would not show, a model is not told either: it is where instructions to models are hidden. */
export function isHidden(attributes: Attributes): boolean {
  if (attributes.has('hidden') || attributes.get('aria-hidden') === 'true') return true
  const style = (attributes.get('style') ?? '').toLowerCase().replace(/\s/g, '')
  return /(?:^|;)(?:display:none|visibility:(?:hidden|collapse)|(?:font-size|opacity):[0.]+(?:%|[a-z]{1,4})?(?:[;!]|$))/.test(style)
}
