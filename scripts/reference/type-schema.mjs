// type-schema.mjs — a JSON Schema from types of TypeScript: as much of the language as src/engine/model/event.ts uses

const TOKEN =
  /\s+|(\/\*\*[\s\S]*?\*\/)|\/\*[\s\S]*?\*\/|\/\/[^\n]*|('(?:[^'\\]|\\.)*'|[A-Za-z_$][\w$]*|\d+|=>|\?:|[{}[\]()<>|;:=,.?])/g;

/** Words and signs of a source, each with the doc comment before it. */
function tokensOf(source) {
  const tokens = [];
  let comment;
  for (const [, doc, text] of source.matchAll(TOKEN)) {
    if (doc !== undefined) comment = doc;
    if (text === undefined) continue;
    tokens.push({ text, comment });
    comment = undefined;
  }
  return tokens;
}

/** A doc comment as one line. */
const wordsOf = (comment) =>
  comment
    .slice(3, -2)
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, '').trim())
    .filter(Boolean)
    .join(' ');

const described = (schema, comment) =>
  comment === undefined ? schema : { description: wordsOf(comment), ...schema };

/**
 * The types that a source exports, by name, as schemas that refer to each other by `#/$defs/NAME`.
 * @param known schemas of types that it imports, by name; a function where the type takes an argument
 */
export function schemasOf(source, known) {
  const tokens = tokensOf(source);
  const schemas = {};
  let at = 0;
  const peek = () => tokens[at]?.text;
  const take = (expected) => {
    const token = tokens[at++];
    if (expected !== undefined && token?.text !== expected) {
      throw new Error(
        `expected ${expected}, found ${token?.text} (${tokens
          .slice(at - 6, at + 6)
          .map(({ text }) => text)
          .join(' ')})`,
      );
    }
    return token;
  };

  const union = () => {
    const parts = [];
    if (peek() === '|') at += 1;
    do {
      const comment = tokens[at - 1]?.text === '|' ? tokens[at - 1].comment : tokens[at]?.comment;
      parts.push(described(array(), comment));
    } while (peek() === '|' && take('|'));
    // Undefined never stands in JSON: the field is absent.
    const there = parts.filter(({ not }) => not === undefined);
    if (there.length === 1) return there[0];
    return there.every((part) => 'const' in part && part.description === undefined)
      ? { enum: there.map((part) => part.const) }
      : { anyOf: there };
  };
  const array = () => {
    if (peek() === 'readonly') at += 1;
    let schema = single();
    while (peek() === '[') {
      take('[');
      take(']');
      schema = { type: 'array', items: schema };
    }
    return schema;
  };
  const single = () => {
    const { text } = take();
    if (text === '{') return object();
    if (text === '(') {
      const inner = union();
      take(')');
      return inner;
    }
    if (text.startsWith("'")) return { const: text.slice(1, -1) };
    if (text === 'undefined') return { not: {} };
    if (['string', 'number', 'boolean', 'null'].includes(text)) return { type: text };
    if (text === 'true' || text === 'false') return { const: text === 'true' };
    if (text === 'typeof') return known[take().text];
    const found = known[text];
    if (peek() === '<') {
      take('<');
      const argument = union();
      take('>');
      if (typeof found !== 'function') throw new Error(`type ${text} takes no argument here`);
      return found(argument);
    }
    return found ?? { $ref: `#/$defs/${text}` };
  };
  const object = () => {
    const properties = {};
    const required = [];
    while (peek() !== '}') {
      if (peek() === 'readonly') at += 1;
      if (peek() === '[') {
        // `[name in Union]: type`: an object with each of the names.
        take('[');
        at += 2;
        const names = union();
        take(']');
        take(':');
        const schema = union();
        if (peek() === ';') at += 1;
        take('}');
        const known = schemas[names.$ref?.slice('#/$defs/'.length)]?.enum ?? names.enum;
        const properties = Object.fromEntries(known.map((name) => [name, schema]));
        return { type: 'object', properties, required: known };
      }
      const comment = tokens[at].comment ?? tokens[at - 1]?.comment;
      const name = take().text;
      const optional = peek() === '?:';
      take(optional ? '?:' : ':');
      properties[name] = described(union(), comment);
      if (!optional) required.push(name);
      if (peek() === ';' || peek() === ',') at += 1;
    }
    take('}');
    return { type: 'object', properties, required };
  };

  while (at < tokens.length) {
    if (peek() !== 'export' || !['type', 'interface'].includes(tokens[at + 1]?.text)) {
      at += 1;
      continue;
    }
    const { comment } = tokens[at];
    const kind = tokens[at + 1].text;
    const name = tokens[at + 2].text;
    at += 3;
    // Generic types and functions are no data.
    if (peek() === '<' || tokens[at + 1]?.text === '(') continue;
    take(kind === 'type' ? '=' : '{');
    schemas[name] = described(kind === 'type' ? union() : object(), comment);
  }
  return schemas;
}

/** The definitions that a schema needs, those that they need included, by name. */
export function definitionsFor(schema, all) {
  const needed = {};
  const visit = (value) => {
    if (typeof value !== 'object' || value === null) return;
    if (typeof value.$ref === 'string') {
      const name = value.$ref.slice('#/$defs/'.length);
      if (all[name] === undefined) throw new Error(`there is no type ${name}`);
      if (needed[name] === undefined) {
        needed[name] = all[name];
        visit(all[name]);
      }
    }
    for (const inner of Object.values(value)) visit(inner);
  };
  visit(schema);
  return needed;
}
