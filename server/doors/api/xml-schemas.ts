/** XML Schemas of what the API answers in XML and takes (docs/api-xml.md). */
import type { ProblemDetails } from '../../contract/problems.ts'

const head = '<?xml version="1.0" encoding="UTF-8"?>\n'

/** The W3C's XML representation of JSON, without what no number of JSON is. */
export const valueSchema = `${head}<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:j="http://www.w3.org/2005/xpath-functions"
  targetNamespace="http://www.w3.org/2005/xpath-functions" elementFormDefault="qualified">
  <xs:element name="map" type="j:map">
    <xs:unique name="keys"><xs:selector xpath="*"/><xs:field xpath="@key"/></xs:unique>
  </xs:element>
  <xs:element name="array" type="j:array"/>
  <xs:element name="string" type="j:string"/>
  <xs:element name="number" type="j:number"/>
  <xs:element name="boolean" type="j:boolean"/>
  <xs:element name="null" type="j:null"/>
  <xs:complexType name="map">
    <xs:choice minOccurs="0" maxOccurs="unbounded">
      <xs:element name="map">
        <xs:complexType><xs:complexContent><xs:extension base="j:map"><xs:attributeGroup ref="j:key"/></xs:extension></xs:complexContent></xs:complexType>
        <xs:unique name="keys-within"><xs:selector xpath="*"/><xs:field xpath="@key"/></xs:unique>
      </xs:element>
      <xs:element name="array">
        <xs:complexType><xs:complexContent><xs:extension base="j:array"><xs:attributeGroup ref="j:key"/></xs:extension></xs:complexContent></xs:complexType>
      </xs:element>
      <xs:element name="string">
        <xs:complexType><xs:simpleContent><xs:extension base="j:string"><xs:attributeGroup ref="j:key"/></xs:extension></xs:simpleContent></xs:complexType>
      </xs:element>
      <xs:element name="number">
        <xs:complexType><xs:simpleContent><xs:extension base="j:number"><xs:attributeGroup ref="j:key"/></xs:extension></xs:simpleContent></xs:complexType>
      </xs:element>
      <xs:element name="boolean">
        <xs:complexType><xs:simpleContent><xs:extension base="j:boolean"><xs:attributeGroup ref="j:key"/></xs:extension></xs:simpleContent></xs:complexType>
      </xs:element>
      <xs:element name="null">
        <xs:complexType><xs:complexContent><xs:extension base="j:null"><xs:attributeGroup ref="j:key"/></xs:extension></xs:complexContent></xs:complexType>
      </xs:element>
    </xs:choice>
    <xs:anyAttribute namespace="##other" processContents="skip"/>
  </xs:complexType>
  <xs:complexType name="array">
    <xs:choice minOccurs="0" maxOccurs="unbounded">
      <xs:element ref="j:map"/>
      <xs:element ref="j:array"/>
      <xs:element ref="j:string"/>
      <xs:element ref="j:number"/>
      <xs:element ref="j:boolean"/>
      <xs:element ref="j:null"/>
    </xs:choice>
    <xs:anyAttribute namespace="##other" processContents="skip"/>
  </xs:complexType>
  <xs:complexType name="string">
    <xs:simpleContent>
      <xs:extension base="xs:string">
        <xs:attribute name="escaped" type="xs:boolean" default="false"/>
        <xs:anyAttribute namespace="##other" processContents="skip"/>
      </xs:extension>
    </xs:simpleContent>
  </xs:complexType>
  <xs:simpleType name="finite">
    <xs:restriction base="xs:double"><xs:pattern value="-?[0-9]+(\\.[0-9]+)?([eE][+\\-]?[0-9]+)?"/></xs:restriction>
  </xs:simpleType>
  <xs:complexType name="number">
    <xs:simpleContent>
      <xs:extension base="j:finite"><xs:anyAttribute namespace="##other" processContents="skip"/></xs:extension>
    </xs:simpleContent>
  </xs:complexType>
  <xs:complexType name="boolean">
    <xs:simpleContent>
      <xs:extension base="xs:boolean"><xs:anyAttribute namespace="##other" processContents="skip"/></xs:extension>
    </xs:simpleContent>
  </xs:complexType>
  <xs:complexType name="null">
    <xs:sequence/>
    <xs:anyAttribute namespace="##other" processContents="skip"/>
  </xs:complexType>
  <xs:attributeGroup name="key">
    <xs:attribute name="key" type="xs:string" use="required"/>
    <xs:attribute name="escaped-key" type="xs:boolean" default="false"/>
  </xs:attributeGroup>
</xs:schema>
`

const element = (name: string, type: string) =>
  `        <xs:element name="${name}" type="${type}" minOccurs="0"/>`

const holder = `        <xs:element name="by" minOccurs="0">
          <xs:complexType>
            <xs:all>
              <xs:element name="grant" type="xs:string" minOccurs="0"/>
              <xs:element name="terminal" type="xs:string"/>
              <xs:element name="since" type="xs:dateTime"/>
              <xs:element name="last_used" type="xs:dateTime"/>
            </xs:all>
          </xs:complexType>
        </xs:element>`

/** What a document may carry beside type, title and status: all of it, or this does not compile. */
const members = Object.entries({
  methods: 'p:texts',
  by: 'holder',
  addresses: 'p:texts',
  reason: 'xs:string',
  reasons: 'p:texts',
  draft: 'xs:nonNegativeInteger',
  parts: 'p:texts',
  size: 'xs:nonNegativeInteger',
} satisfies Record<keyof ProblemDetails, string>)
  .map(([name, type]) => (type === 'holder' ? holder : element(name, type)))
  .join('\n')

/** Problem documents (RFC 9457, Appendix B), with the members that ours may have (server/contract/problems.ts). */
export const problemSchema = `${head}<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:p="urn:ietf:rfc:7807" targetNamespace="urn:ietf:rfc:7807"
  elementFormDefault="qualified">
  <xs:element name="problem">
    <xs:complexType>
      <xs:all>
        <xs:element name="type" type="xs:anyURI"/>
        <xs:element name="title" type="xs:string"/>
        <xs:element name="status" type="xs:positiveInteger"/>
${members}
      </xs:all>
    </xs:complexType>
  </xs:element>
  <xs:complexType name="texts">
    <xs:sequence><xs:element name="i" type="xs:string" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>
  </xs:complexType>
</xs:schema>
`
