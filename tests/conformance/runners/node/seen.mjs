/** What stands in content, in the form of the cases. */

/** The parts and the metadata of a content. */
export function partsSeen({ parts, metadata = {} }) {
  const seen = ({ role, metadata: own, ...part }) => said({ ...kindOf(part), role, metadata: own });
  return { parts: parts.map((part) => seen(membersOf(part))), metadata };
}

/** The same of a class, whose members are not all its own. */
function membersOf(part) {
  const { type, role, metadata, text, data, uri, mediaType, digest, size, filename } = part;
  return { type, role, metadata, text, data, uri, mediaType, digest, size, filename };
}

function kindOf({ type, text, data, uri, mediaType, digest, size, filename }) {
  if (type === 'text') return { text };
  if (type === 'data') return { data };
  if (type === 'uri') return { uri: said({ uri, mediaType, digest, size }) };
  return { blob: said({ mediaType, filename }) };
}

/** The members that are there. */
function said(members) {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
